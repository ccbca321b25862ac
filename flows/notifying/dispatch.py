"""From notices that are due to what became of them, each message in the background."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from actions.notification.levels import whom_to_ask
from config.contacts import Contact
from config.escalation import EscalationStep
from data import escalations, events, notices
from data.database import Connection, Database, DatabaseError
from data.notices import DeliveryOutcome, NewNotice, Notice, Stranded, Waiting
from flows.notifying.notice_events import NoticeEvents
from flows.notifying.sending import Sender, Sent

logger = logging.getLogger(__name__)

_RECORD_TRIES: Final = 5
_RECORD_AGAIN_S: Final = 1.0


class Dispatch:
    """Claims, sends and records. `messages` counts what arrived, `errors` what broke in here.

    `fallback` are steps to contacts who are asked where nobody else can be. `on_change` is
    called when a message is over, for there may be more to send then.
    """

    def __init__(
        self,
        database: Database,
        tell: NoticeEvents,
        sender: Sender,
        *,
        lease: timedelta,
        fallback: Sequence[EscalationStep],
        now: Callable[[], datetime],
        on_change: Callable[[], None],
    ) -> None:
        self.messages = 0
        self.errors = 0
        self._database = database
        self._tell = tell
        self._sender = sender
        self._lease = lease
        self._fallback = fallback
        self._now = now
        self._on_change = on_change
        self._under_way: set[asyncio.Task[None]] = set()

    async def send(self, name: str, contact: Contact, ids: Sequence[int]) -> None:
        """Begin to send notices as one message, unless another hub does."""
        group_id = uuid4()
        claimed = await notices.claim(
            self._database, ids, group_id, hub=self._tell.hub, lease=self._lease
        )
        if claimed:
            self._in_background(self._deliver(name, contact, group_id, claimed))

    async def leave_out(self, because: Sequence[tuple[int, str]]) -> None:
        """Note that notices are not for their contact."""
        if because:
            now = self._now()
            async with self._database.transaction() as connection:
                out = await notices.leave_out(connection, because, now)
                await self._ask_others(connection, out, now)

    async def tell_nobody(self, waiting: Sequence[Waiting]) -> None:
        """Leave out what has no contact: it stays in the record, the log and the events."""
        if not waiting:
            return
        now = self._now()
        why = {one.id: _why_nobody(one) for one in waiting}
        async with self._database.transaction() as connection:
            mine = set(await notices.leave_out(connection, list(why.items()), now))
            told = [one for one in waiting if one.id in mine]
            await events.append(
                connection, [self._tell.nobody(one, why[one.id], now) for one in told]
            )
            await self._hurry(connection, told, now)
        for one in told:
            logger.warning("nobody is told, %s: %s", why[one.id], one.subject)

    async def give_up(self, name: str, lost: Sequence[Waiting]) -> None:
        """Give up what used its attempts without anybody saying so, as when its hub was killed."""
        if not lost:
            return
        now = self._now()
        outcomes = [DeliveryOutcome(id=one.id, outcome="given_up") for one in lost]
        async with self._database.transaction() as connection:
            changed = set(await notices.record(connection, outcomes, now))
            if mine := [one for one in lost if one.id in changed]:
                reason = f"its hub ended meanwhile: {mine[0].subject}"
                await events.append(connection, self._tell.given_up(name, reason, mine, now))
                await self._hurry(connection, mine, now)

    async def drain(self, within_s: float) -> None:
        """Let messages under way arrive; what is cut off is sent again when its claim ends."""
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=within_s)
            for task in late:
                task.cancel()

    async def _deliver(
        self, name: str, contact: Contact, group_id: UUID, claimed: Sequence[Notice]
    ) -> None:
        sent = await self._sender.send(name, contact, claimed, self._now)
        for _ in range(_RECORD_TRIES):
            try:
                await self._record(name, group_id, claimed, sent)
                break
            except DatabaseError as error:
                logger.warning("what became of a message is not recorded yet: %s", error)
                await asyncio.sleep(_RECORD_AGAIN_S)

    async def _record(
        self, name: str, group_id: UUID, claimed: Sequence[Notice], sent: Sent
    ) -> None:
        now = self._now()
        became = {one.id: one for one in sent.outcomes}
        async with self._database.transaction() as connection:
            changed = set(await notices.record(connection, sent.outcomes, now, group_id))
            done = [one for one in claimed if one.id in changed]
            told = [one for one in done if became[one.id].outcome == "sent"]
            lost = [one for one in done if became[one.id].outcome == "given_up"]
            if told:
                await events.append(connection, self._tell.sent(name, sent.subject, told, now))
            if lost:
                reason = f"{sent.subject}: {sent.error}"
                await events.append(connection, self._tell.given_up(name, reason, lost, now))
                await self._hurry(connection, lost, now)
        self.messages += bool(told)
        if sent.error:
            logger.warning("%s could not be told: %s: %s", name, sent.subject, sent.error)

    async def _hurry(
        self, connection: Connection, lost: Sequence[Notice | Waiting], now: datetime
    ) -> None:
        """Have the next of a chain told, or asked, at once where one cannot be."""
        chains = {one.incident_id for one in lost if one.purpose == "escalation"}
        await escalations.hurry(connection, [one for one in chains if one is not None], now)
        await self._ask_others(connection, [one.id for one in lost], now)

    async def _ask_others(self, connection: Connection, ids: Sequence[int], now: datetime) -> None:
        """Have the next of a chain asked; where nobody is left the fallback, or say so."""
        for one in await notices.ask_next(connection, ids, now):
            if more := _asked_of(one, self._fallback, now):
                await notices.add(connection, more)
            else:
                logger.warning("nobody is left to ask: %s", one.subject)
                await events.append(connection, [self._tell.nobody_to_ask(one, now)])

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._finish)

    def _finish(self, task: "asyncio.Task[None]") -> None:
        self._under_way.discard(task)
        self._on_change()
        if not task.cancelled() and (error := task.exception()):
            self.errors += 1
            logger.error("a message is sent again when its claim ends: %s", error, exc_info=error)


def _asked_of(one: Stranded, chain: Sequence[EscalationStep], now: datetime) -> list[NewNotice]:
    """Return the question for those of a chain who were not to be asked before."""
    return [
        NewNotice(
            contact=step.notify,
            purpose="approval",
            severity=one.severity,
            subject=one.subject,
            body=one.body,
            incident_id=one.incident_id,
            attempt_id=one.attempt_id,
            project=one.project,
            due_at=now + step.after,
        )
        for step in whom_to_ask(chain, one.severity)
        if step.notify not in one.contacts
    ]


def _why_nobody(one: Waiting) -> str:
    if one.contact is None:
        return "no contact is named for it"
    return f"there is no contact {one.contact} in the hub file"
