"""The agent that keeps the registry what the projects file says, while people edit the file."""

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from config.errors import ConfigError, Fault
from config.hub_file import HubSettings
from config.projects_file import ProjectSpec, read_projects
from data import events, projects
from data.database import Database
from data.events import EventKind, NewEvent
from data.projects import RegistryChange
from data.records import Severity
from flows.agent import Agent
from flows.flow_runs.cycle import Cycle

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.25
READ_ANYWAY_S = 60.0

_Stamp = tuple[int, int, int] | None


class Registrar(Agent):
    """Reads the projects file at the start and at every change of it.

    A file with a fault changes nothing: the last good configuration stays in force, and the
    faults are in the log, in `config_error` (and so in `system_health`) and in one event.
    """

    name = "registrar"

    def __init__(
        self, hub: str, database: Database, settings: HubSettings, projects_file: Path
    ) -> None:
        super().__init__(hub)
        self._database = database
        self._registry = settings.registry
        self._path = projects_file
        self._read: _Stamp = None
        self._due_at = 0.0
        self.config_error: str | None = None

    async def start(self) -> None:
        self._due_at = 0.0

    async def handle(self, cycle: Cycle) -> None:
        """Wait for an edit, or a minute, and take the file in."""
        stamp = await self._wait_for_edit()
        cycle.summary = await self._take_in(cycle)
        self._read, self._due_at = stamp, time.monotonic() + READ_ANYWAY_S
        self.handled += 1

    def cycle_name(self, now: datetime) -> str:
        return f"keep registry {now:%H:%M:%S}"

    async def _wait_for_edit(self) -> _Stamp:
        """Look four times a second; an edit is taken in when the file has come to rest.

        Looking finds also what is edited behind a link or on another machine, of which no
        notification tells.
        """
        before = _stamp(self._path)
        while time.monotonic() < self._due_at:
            await asyncio.sleep(LOOK_EVERY_S)
            self.beat()
            now = _stamp(self._path)
            if now == before and now != self._read:
                break
            before = now
        return before

    async def _take_in(self, cycle: Cycle) -> str:
        """Read, validate and store the file; return what happened in one line."""
        try:
            specs = await asyncio.to_thread(read_projects, self._path)
            change = await projects.sync_file(self._database, self._registry, specs)
            self._refuse_taken(change)
        except ConfigError as error:
            await self._reject(error, cycle)
            return f"kept the last good configuration: {len(error.faults)} faults in {self._path}"
        await self._accept(specs, change, cycle)
        return self._sentence(specs, change)

    def _refuse_taken(self, change: RegistryChange) -> None:
        if change.refused:
            raise ConfigError(
                tuple(
                    Fault(
                        file=str(self._path),
                        line=1,
                        field=f"projects.{name}",
                        problem="is registered in the database too; rename it here or run"
                        f" `opslore projects remove {name}`",
                    )
                    for name in change.refused
                )
            )

    async def _reject(self, error: ConfigError, cycle: Cycle) -> None:
        news = str(error) != self.config_error
        self.config_error = str(error)
        for fault in error.faults:
            cycle.log(str(fault), logging.ERROR)
        if news:
            logger.error("the last good configuration stays in force:\n%s", error)
            await self._tell(
                "ConfigRejected",
                "warning",
                f"{self._path.name} has {len(error.faults)} faults, the last good configuration"
                f" stays in force: {error.faults[0]}",
                {"faults": [str(fault) for fault in error.faults]},
            )

    async def _accept(
        self, specs: Sequence[ProjectSpec], change: RegistryChange, cycle: Cycle
    ) -> None:
        mended, self.config_error = self.config_error is not None, None
        if mended:
            await self._tell("ConfigAccepted", "info", f"{self._path.name} is valid again", {})
        if change:
            sentence = self._sentence(specs, change)
            logger.info("%s", sentence)
            cycle.log(sentence)
            shrinks = len(change.removed) > len(specs)
            await self._tell(
                "RegistryChanged",
                "warning" if shrinks else "info",
                sentence,
                {"added": change.added, "changed": change.changed, "removed": change.removed},
            )

    def _sentence(self, specs: Sequence[ProjectSpec], change: RegistryChange) -> str:
        named = [
            f"{verb} {', '.join(names)}"
            for verb, names in (
                ("added", change.added),
                ("changed", change.changed),
                ("removed", change.removed),
            )
            if names
        ]
        return f"{self._path.name}: {len(specs)} projects; " + ("; ".join(named) or "no change")

    async def _tell(
        self, kind: EventKind, severity: Severity, message: str, details: dict[str, object]
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


def _stamp(path: Path) -> _Stamp:
    """Return what changes when a file is edited or replaced, None when it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
