"""Each hub's own condition, recorded as it records that of the projects."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

from data.database import Database
from data.named_sql import read_queries

_SQL = read_queries("system_health")


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """One hub at one moment.

    `cycle_lag_ms` is the worst delay of a probe behind its due time since the last record;
    `queue_depth` counts samples not stored yet; `cpu_percent` is that of the hub's process.
    """

    hub: str
    recorded_at: datetime
    status: Literal["healthy", "degraded"]
    projects: int
    probes_per_s: float
    cycle_lag_ms: float
    queue_depth: int
    database_ms: float | None
    prefect_ms: float | None
    prefect_reachable: bool
    network_suspected: bool
    cpu_percent: float
    memory_bytes: int
    config_error: str | None
    detail: str | None


async def append(database: Database, vitals: Vitals) -> None:
    """Record the condition of one hub."""
    await database.execute(_SQL["append_vitals"], asdict(vitals))


async def latest(database: Database) -> list[Vitals]:
    """Return the newest condition of every hub that said something within the last hour."""
    return [Vitals(**row) for row in await database.fetch_all(_SQL["latest_vitals"])]
