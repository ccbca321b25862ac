"""The agent that writes down outside of the database how far the audit chain has come."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from config.audit import AuditSettings
from config.escalation import EscalationStep
from data import anchors, audit_chain, events, notices
from data.anchors import Anchor, AnchorsUnreadable, AnchorsUnwritable
from data.audit_chain import Head
from data.database import Database, DatabaseError
from data.events import EventKind, NewEvent
from data.notices import NewNotice
from data.records import Severity
from flows.agent import Agent
from flows.flow_runs.cycle import Cycle
from flows.upkeep.anchor_post import AnchorNotTaken, AnchorPost

logger = logging.getLogger(__name__)

BEAT_EVERY_S = 5.0
TRIES = 3


class Auditor(Agent):
    """After its start, every `settings.every` and before its end, in this order:

    1. See whether the row it anchored last is still there, and tell if it is not.
    2. If the chain has moved, write an anchor of its head to the file and send it to the address.

    What fails is told once and tried again in the next cycle with the newest head, which covers
    all rows before it. The file and the address do not wait for each other.
    """

    name = "auditor"

    def __init__(
        self,
        hub: str,
        database: Database,
        settings: AuditSettings,
        home: Path,
        *,
        told: Sequence[EscalationStep] = (),
    ) -> None:
        super().__init__(hub)
        self._told = told
        self._database = database
        self._settings = settings
        self._path = settings.anchor_path(home)
        self._post: AnchorPost | None = None
        self._last: Anchor | None = None
        self._broken: Anchor | None = None
        self._filed: tuple[int, str] | None = None
        self._sent: tuple[int, str] | None = None
        self._trouble = ""
        self._damage: tuple[str, ...] = ()

    async def start(self) -> None:
        if self._settings.anchor_url:
            self._post = AnchorPost(self._settings.anchor_url, self._settings.anchor_headers)
        async with self._database.connection() as connection:
            identity = await audit_chain.identity_of(connection)
        with suppress(AnchorsUnreadable):  # there is none yet, or writing will tell
            kept = await asyncio.to_thread(anchors.read, self._path)
            own = (one for one in kept.anchors if one.database == identity)
            self._last = max(own, key=lambda one: one.seq, default=None)
            self._damage = kept.faults[:1]

    async def handle(self, cycle: Cycle) -> None:
        troubles = [*self._damage, *await self._anchor(cycle, tries=TRIES)]
        await self._tell_of_trouble(cycle, "; ".join(troubles))
        self._damage = ()
        self.handled += 1
        await self._rest()

    async def stop(self) -> None:
        """Anchor what was written since the last cycle, with one try each."""
        try:
            now = datetime.now(UTC)
            cycle = Cycle(agent=self.name, hub=self.hub, started_at=now, name=self.cycle_name(now))
            for trouble in await self._anchor(cycle, tries=1):
                logger.warning("%s", trouble)
        except DatabaseError as error:
            logger.warning("the last rows were not anchored: %s", error)
        finally:
            if self._post is not None:
                await self._post.__aexit__()
                self._post = None

    def cycle_name(self, now: datetime) -> str:
        return f"anchor {now:%H:%M:%S}"

    async def _rest(self) -> None:
        """Sleep until the next cycle, giving signs of life."""
        left_s = self._settings.every.total_seconds()
        while left_s > 0:
            self.beat()
            await asyncio.sleep(min(BEAT_EVERY_S, left_s))
            left_s -= BEAT_EVERY_S

    async def _anchor(self, cycle: Cycle, *, tries: int) -> list[str]:
        """Anchor the head where that is not done yet, and return what did not work."""
        head = await audit_chain.head(self._database)
        await self._hold_against_last(cycle)
        if head is None:
            cycle.summary = "nothing was done yet"
            return []
        anchor = self._anchor_of(head)
        cycle.summary = f"the chain is at row {head.seq}"
        troubles = []
        for work in (self._file(anchor, cycle), self._send(anchor, tries)):
            try:
                await work
            except (AnchorsUnwritable, AnchorNotTaken) as error:
                troubles.append(str(error))
        return troubles

    def _anchor_of(self, head: Head) -> Anchor:
        return Anchor(
            seq=head.seq,
            hash=head.hash,
            at=datetime.now(UTC),
            hub=self.hub,
            database=head.database,
        )

    async def _file(self, anchor: Anchor, cycle: Cycle) -> None:
        if self._filed == (anchor.seq, anchor.hash):
            return
        if await asyncio.to_thread(anchors.append, self._path, anchor):
            message = f"anchored row {anchor.seq} of the audit chain"
            cycle.log(message)
            await self._tell("AuditAnchored", "info", message, seq=anchor.seq, hash=anchor.hash)
        self._filed = (anchor.seq, anchor.hash)
        if self._broken is None:  # else a chain that was cut would pass for whole from here on
            self._last = anchor

    async def _send(self, anchor: Anchor, tries: int) -> None:
        if self._post is None or self._sent == (anchor.seq, anchor.hash):
            return
        await self._post.send(anchor, tries=tries)
        self._sent = (anchor.seq, anchor.hash)

    async def _hold_against_last(self, cycle: Cycle) -> None:
        """Tell, once for an anchor, that its row is no longer the one that was anchored."""
        last = self._last
        if last is None or last == self._broken:
            return
        found = await audit_chain.hash_at(self._database, last.seq)
        if found == last.hash:
            return
        what = "is gone" if found is None else "is not the one that was anchored"
        message = (
            f"the audit chain was rewritten: row {last.seq} {what};"
            " `opslore audit verify` says where it begins"
        )
        cycle.log(message, logging.ERROR)
        logger.error("%s", message)
        await self._tell(
            "AuditBroken", "critical", message, seq=last.seq, expected=last.hash, found=found
        )
        await self._tell_people(message)
        self._broken = last

    async def _tell_people(self, message: str) -> None:
        """Tell everybody whom the hub file names, at once: this is no incident of a project."""
        said = [
            NewNotice(
                contact=contact,
                purpose="action",
                severity="critical",
                subject=message,
                body="Look: opslore audit verify",
            )
            for contact in dict.fromkeys(step.notify for step in self._told)
        ]
        async with self._database.transaction() as connection:
            await notices.add(connection, said)

    async def _tell_of_trouble(self, cycle: Cycle, trouble: str) -> None:
        if trouble:
            self.errors += 1
            self.last_error, self.last_error_at = trouble[:500], datetime.now(UTC)
            cycle.log(trouble, logging.WARNING)
        if trouble and trouble != self._trouble:
            logger.warning("%s", trouble)
            await self._tell("AgentFailed", "warning", f"{self.name}: {trouble}")
        self._trouble = trouble

    async def _tell(
        self, kind: EventKind, severity: Severity, message: str, **details: object
    ) -> None:
        await events.record(
            self._database,
            NewEvent(
                occurred_at=datetime.now(UTC),
                hub=self.hub,
                agent=self.name,
                kind=kind,
                severity=severity,
                message=message,
                details=details,
            ),
        )
