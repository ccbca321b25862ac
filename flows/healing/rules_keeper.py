"""The agent that keeps the rules in force those of the files."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from config.errors import Fault
from config.settings import ROOT
from data import events, incidents, rule_decisions
from data.database import Database
from data.events import NewEvent
from flows.agent import Agent
from flows.flow_runs.cycle import Cycle
from rules.language.reading import rule_files
from rules.live_rules import LiveRules, RuleChange
from rules.rule import RuleBook

logger = logging.getLogger(__name__)

BEAT_EVERY_S: Final = 1.0
MOST_FAULTS_TOLD: Final = 5


class RulesKeeper(Agent):
    """Follows the rule files and tells what became of each edit.

    Rules that are accepted hold for open incidents too: all are looked at again. Rules that are
    not leave those in force that were, and the event says what is wrong, by file and line. What
    was wrong with the rules already when the hub started is told once.
    """

    name = "rules-keeper"

    def __init__(
        self,
        hub: str,
        database: Database,
        rules: LiveRules,
        folders: Sequence[Path],
        *,
        cycle: timedelta,
    ) -> None:
        super().__init__(hub)
        self._database = database
        self._rules = rules
        self._folders = folders
        self._cycle_s = cycle.total_seconds()
        self._following: asyncio.Task[None] | None = None
        self._has_told_of_start = False
        self._current: Cycle | None = None

    async def start(self) -> None:
        await self._keep_texts(self._rules.engine.book.version)
        if self._rules.faults and not self._has_told_of_start:
            book = self._rules.engine.book
            event = _faulty_at_start(self.hub, book, self._rules.faults)
            await events.record(self._database, event)
        self._has_told_of_start = True
        self._following = asyncio.create_task(self._rules.follow(self._tell), name="rules")

    async def handle(self, cycle: Cycle) -> None:
        """Be there while the files are followed; fail with what keeps them from being so."""
        self._current = cycle
        ends_at = time.monotonic() + self._cycle_s
        while time.monotonic() < ends_at:
            if self._following is not None and self._following.done():
                self._following.result()
            self.beat()
            await asyncio.sleep(BEAT_EVERY_S)
        book = self._rules.engine.book
        cycle.summary = f"{len(book.rules)} rules, version {book.version}"

    async def stop(self) -> None:
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait([self._following])

    def cycle_name(self, now: datetime) -> str:
        return f"keep rules {now:%H:%M:%S}"

    async def _tell(self, change: RuleChange) -> None:
        event = _accepted(self.hub, change) if change.accepted else _rejected(self.hub, change)
        level = logging.INFO if change.accepted else logging.WARNING
        logger.log(level, "%s", event.message)
        if change.accepted:
            await self._keep_texts(change.version)
        async with self._database.transaction() as connection:
            if change.accepted:
                await incidents.look_at_all_again(connection)
            await events.append(connection, [event])
        self.handled += 1
        if self._current is not None:
            self._current.log(event.message, level)

    async def _keep_texts(self, version: str) -> None:
        """Keep what the files say, so that a decision can be understood when they are gone."""
        texts = await asyncio.to_thread(_texts, self._folders)
        await rule_decisions.keep_version(self._database, version, texts)


def _texts(folders: Sequence[Path]) -> Mapping[str, str]:
    return {
        _shown(path): path.read_text(encoding="utf-8", errors="replace")
        for path in rule_files(folders)
    }


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def _accepted(hub: str, change: RuleChange) -> NewEvent:
    parts = {"added": change.added, "changed": change.changed, "removed": change.removed}
    what = "; ".join(f"{word}: {', '.join(names)}" for word, names in parts.items() if names)
    return _event(
        hub,
        "RulesChanged",
        f"rules {change.version} are in force" + (f" ({what})" if what else ""),
        change,
    )


def _rejected(hub: str, change: RuleChange) -> NewEvent:
    told = f"the rules stay as they were: {_in_short(change.faults)}"
    return _event(hub, "RulesRejected", told, change)


def _faulty_at_start(hub: str, book: RuleBook, faults: Sequence[Fault]) -> NewEvent:
    what = "the rules are in force with faults" if book.rules else "no rule is in force"
    change = RuleChange(accepted=False, version=book.version, faults=tuple(faults))
    return _event(hub, "RulesRejected", f"{what}: {_in_short(faults)}", change)


def _in_short(faults: Sequence[Fault]) -> str:
    told = "; ".join(map(str, faults[:MOST_FAULTS_TOLD]))
    more = len(faults) - MOST_FAULTS_TOLD
    return told + (f"; and {more} more" if more > 0 else "")


def _event(hub: str, kind: str, message: str, change: RuleChange) -> NewEvent:
    accepted = kind == "RulesChanged"
    return NewEvent(
        occurred_at=datetime.now(UTC),
        hub=hub,
        agent=RulesKeeper.name,
        kind="RulesChanged" if accepted else "RulesRejected",
        severity="info" if accepted else "warning",
        message=message,
        details={
            "version": change.version,
            "added": list(change.added),
            "changed": list(change.changed),
            "removed": list(change.removed),
            "faults": [str(fault) for fault in change.faults],
        },
    )
