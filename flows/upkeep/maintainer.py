"""The agent that keeps the record small and quick: partitions, rollups, archive, retention."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

from config.hub_file import RetentionSettings
from data import partitions, rollups
from data.database import Connection, Database
from data.history import Archive
from flows.agent import Agent
from flows.flow_runs.cycle import Cycle

EVERY_S = 60.0


class PrunesRuns(Protocol):
    """Deletes old flow runs and says how many."""

    async def prune(self, older_than: timedelta) -> int: ...


class Maintainer(Agent):
    """Once a minute, in this order:

    1. Make the partitions of the next days.
    2. Bring the rollups up to date.
    3. Write closed days to the archive, each table's day once.
    4. Drop days that are older than their retention, only where the archive holds them.
    5. Prune old events and old flow runs.

    With several hubs one does the database's part and the others pass; each keeps an archive.
    """

    name = "maintainer"

    def __init__(
        self,
        hub: str,
        database: Database,
        retention: RetentionSettings,
        archive: Archive,
        runs: PrunesRuns,
    ) -> None:
        super().__init__(hub)
        self._database = database
        self._retention = retention
        self._archive = archive
        self._runs = runs

    async def handle(self, cycle: Cycle) -> None:
        now = datetime.now(UTC)
        done = await self._maintain_record(now)
        done += await self._archive_closed_days(now)
        dropped = await self._drop_old_days(now)
        pruned = await self._runs.prune(self._retention.prefect_runs)
        for what in (*done, *(f"dropped {name}" for name in dropped)):
            cycle.log(what)
        cycle.summary = "; ".join(
            [*done, *(f"dropped {name}" for name in dropped), f"{pruned} old flow runs pruned"]
        )
        self.handled += 1
        await self._rest()

    def cycle_name(self, now: datetime) -> str:
        return f"maintain {now:%H:%M:%S}"

    async def _rest(self) -> None:
        """Sleep until the next minute's work, giving signs of life."""
        for _ in range(int(EVERY_S / 5)):
            self.beat()
            await asyncio.sleep(5)

    async def _maintain_record(self, now: datetime) -> list[str]:
        async with self._database.transaction() as connection:
            if not await partitions.try_lock(connection):
                return ["another hub maintains the record"]
            made = await partitions.create_ahead(connection, now.date())
            since = await rollups.refresh(connection, now)
            forgotten = await partitions.delete_old_events(connection, now - self._retention.events)
        return [
            *(f"made {name}" for name in made),
            f"rollups made from {since:%Y-%m-%d %H:%M} on",
            *([f"forgot {forgotten} old events"] if forgotten else []),
        ]

    async def _archive_closed_days(self, now: datetime) -> list[str]:
        async with self._database.connection() as connection:
            days = await self._closed_days(connection, now)
        missing = [(table, day) for table, day in days if not self._archive.holds(table, day)]
        written = []
        for table, day in missing:
            path = await asyncio.to_thread(self._archive.export, table, day)
            self.beat()
            written.append(f"archived {table} of {day}: {path.stat().st_size:,} bytes")
        return written

    async def _closed_days(self, connection: Connection, now: datetime) -> list[tuple[str, date]]:
        """Return what is over since an hour, so that late samples are in."""
        settled = now - timedelta(hours=1)
        return [
            (table, day)
            for table in partitions.PARTITIONED
            for day in await partitions.closed_days(connection, table, settled)
        ]

    async def _drop_old_days(self, now: datetime) -> list[str]:
        keep = {
            "project_status_history": self._retention.health,
            "project_metrics": self._retention.metrics,
            "project_logs": self._retention.logs,
            "system_health": self._retention.system_health,
        }
        async with self._database.transaction() as connection:
            if not await partitions.try_lock(connection):
                return []
            return await partitions.drop_before(connection, keep, now, self._archive.holds)
