"""Pre-aggregated health and metrics: what long charts and uptime are read from."""

from datetime import UTC, datetime, timedelta

from data.database import Connection
from data.named_sql import read_queries

_SQL = read_queries("rollups")
_LATE = timedelta(minutes=5)
"""A hub that lost Postgres stores its samples when it is back: look again at what was closed."""


async def refresh(connection: Connection, now: datetime) -> datetime:
    """Bring the rollups up to date and return the instant from which they were made again.

    A refresh covers what came since the newest bucket and 5 minutes before it, and is the same
    however often it runs.
    """
    row = await (await connection.execute(_SQL["newest_bucket"])).fetchone()
    newest = row["bucket_at"] if row else None
    since = (newest - _LATE) if newest else datetime(2000, 1, 1, tzinfo=UTC)
    since = min(since, now)
    await connection.execute(_SQL["roll_up_5m"], {"since": since})
    await connection.execute(_SQL["roll_up_1h"], {"since": since})
    return since
