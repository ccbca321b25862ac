"""Daily partitions of the history tables: made ahead, dropped when their time is over."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta

from psycopg import sql

from data.database import Connection, Database
from data.named_sql import read_queries

_SQL = read_queries("partitions")

PARTITIONED = ("project_status_history", "project_metrics", "project_logs", "system_health")
DAYS_AHEAD = 3


async def create_ahead(connection: Connection, today: date) -> list[str]:
    """Make the partitions of yesterday up to three days ahead and return the new ones.

    Rows that were written before their day had a partition wait in the default partition and
    are moved; a partition that never comes therefore loses nothing.
    """
    made = []
    for table in PARTITIONED:
        existing = set(await _names(connection, table))
        for offset in range(-1, DAYS_AHEAD + 1):
            day = today + timedelta(days=offset)
            name = f"{table}_{day:%Y%m%d}"
            if name not in existing:
                await _create(connection, table, name, day)
                made.append(name)
    return made


async def create_now(database: Database) -> None:
    """Make the partitions of these days, unless another hub is at it."""
    async with database.transaction() as connection:
        if await try_lock(connection):
            await create_ahead(connection, datetime.now(UTC).date())


async def drop_before(
    connection: Connection,
    keep: Mapping[str, timedelta],
    now: datetime,
    archived: Callable[[str, date], bool],
) -> list[str]:
    """Drop the days that are older than their table's retention, if they are archived."""
    dropped = []
    for table, retention in keep.items():
        for name in await _names(connection, table):
            day_ends_at = _day(name) + timedelta(days=1)
            if day_ends_at <= now - retention and archived(table, _day(name).date()):
                await connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
                dropped.append(name)
    return dropped


async def closed_days(connection: Connection, table: str, now: datetime) -> list[date]:
    """Return the days of a table that are over, oldest first."""
    days = [_day(name) for name in await _names(connection, table)]
    return [day.date() for day in days if day + timedelta(days=1) <= now]


async def try_lock(connection: Connection) -> bool:
    """Return whether this transaction may maintain the record; another hub may be at it."""
    row = await (await connection.execute(_SQL["lock_maintenance"])).fetchone()
    return bool(row and row["taken"])


async def delete_old_events(connection: Connection, before: datetime) -> int:
    """Forget events older than `before` that belong to no incident."""
    return (await connection.execute(_SQL["delete_old_events"], {"before": before})).rowcount


async def _names(connection: Connection, table: str) -> list[str]:
    rows = await (await connection.execute(_SQL["list_partitions"], {"parent": table})).fetchall()
    return [row["name"] for row in rows]


async def _create(connection: Connection, table: str, name: str, day: date) -> None:
    names = {
        "parent": sql.Identifier(table),
        "spare": sql.Identifier(f"{table}_default"),
        "child": sql.Identifier(name),
        "start": sql.Literal(f"{day} 00:00+00"),
        "end": sql.Literal(f"{day + timedelta(days=1)} 00:00+00"),
    }
    for step in (
        "CREATE TABLE {child} (LIKE {parent} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)",
        "WITH moved AS (DELETE FROM {spare} WHERE recorded_at >= {start} AND recorded_at < {end}"
        " RETURNING *) INSERT INTO {child} SELECT * FROM moved",
        "ALTER TABLE {parent} ATTACH PARTITION {child} FOR VALUES FROM ({start}) TO ({end})",
    ):
        await connection.execute(sql.SQL(step).format(**names))


def _day(partition: str) -> datetime:
    match = re.search(r"(\d{8})$", partition)
    assert match is not None
    return datetime.strptime(match[1], "%Y%m%d").replace(tzinfo=UTC)
