"""What was measured: health probes, scrapes and log lines, appended and read back."""

from collections.abc import Sequence
from datetime import datetime

from data.database import Database, copy_rows
from data.json_text import to_json
from data.named_sql import read_queries
from data.records import HealthSample, LogLine, MetricSample

_SQL = read_queries("samples")


async def append(
    database: Database,
    health: Sequence[HealthSample] = (),
    metrics: Sequence[MetricSample] = (),
    logs: Sequence[LogLine] = (),
) -> None:
    """Store everything in one transaction with one COPY per table."""
    async with database.transaction() as connection:
        if health:
            await copy_rows(connection, _SQL["copy_health"], [_health_row(s) for s in health])
        if metrics:
            await copy_rows(connection, _SQL["copy_metrics"], [_metric_row(s) for s in metrics])
        if logs:
            await copy_rows(connection, _SQL["copy_logs"], [_log_row(s) for s in logs])


async def recent_health(
    database: Database, projects: Sequence[str], *, since: datetime, limit: int
) -> list[HealthSample]:
    """Return at most `limit` probes per project after `since`, oldest first."""
    rows = await database.fetch_all(
        _SQL["recent_health"], {"projects": list(projects), "since": since, "limit": limit}
    )
    return [HealthSample(**row) for row in rows]


async def recent_metrics(
    database: Database, projects: Sequence[str], *, since: datetime, limit: int
) -> list[MetricSample]:
    """Return at most `limit` scrapes per project after `since`, oldest first."""
    rows = await database.fetch_all(
        _SQL["recent_metrics"], {"projects": list(projects), "since": since, "limit": limit}
    )
    return [MetricSample(**row) for row in rows]


async def recent_logs(
    database: Database, projects: Sequence[str], *, since: datetime, limit: int
) -> list[LogLine]:
    """Return at most `limit` log lines per project after `since`, oldest first."""
    rows = await database.fetch_all(
        _SQL["recent_logs"], {"projects": list(projects), "since": since, "limit": limit}
    )
    return [LogLine(**row) for row in rows]


async def count(database: Database, since: datetime) -> tuple[int, int]:
    """Return how many probes and how many scrapes were recorded since an instant."""
    row = await database.fetch_one(_SQL["count_samples"], {"since": since})
    assert row is not None
    return row["probes"], row["scrapes"]


async def uptime_percent(database: Database, since: datetime) -> dict[str, float]:
    """Return per project the share of probes that found it up (0 to 100).

    Degraded counts as up, unknown does not count. Whole hours come from the rollups.
    """
    rows = await database.fetch_all(_SQL["uptime"], {"since": since})
    return {
        row["project"]: float(row["uptime_percent"])
        for row in rows
        if row["uptime_percent"] is not None
    }


def _health_row(sample: HealthSample) -> tuple[object, ...]:
    return (
        sample.project,
        sample.recorded_at,
        sample.status,
        sample.response_ms,
        sample.http_status,
        sample.detail,
    )


def _metric_row(sample: MetricSample) -> tuple[object, ...]:
    return (
        sample.project,
        sample.recorded_at,
        sample.cpu_percent,
        sample.memory_percent,
        sample.error_rate_percent,
        sample.response_ms,
        to_json(sample.other),
        sample.detail,
    )


def _log_row(line: LogLine) -> tuple[object, ...]:
    return line.project, line.recorded_at, line.logged_at, line.level, line.message
