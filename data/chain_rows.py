"""Read the rows of the audit chain as they are hashed, in batches, all of one state."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from psycopg import IsolationLevel
from psycopg.rows import tuple_row

from config.errors import OpsloreError
from data.chain_hash import Link
from data.database import Connection, Database
from data.named_sql import read_queries

_SQL = read_queries("audit_chain")
_BATCH = 2_000


class NoAuditChain(OpsloreError):
    """The record has no audit chain yet: run `opslore db migrate`."""


@asynccontextmanager
async def open_chain(database: Database) -> AsyncIterator[Connection]:
    """Lend a connection whose every query sees the record as it is now, and cannot change it.

    Raises:
        NoAuditChain: the record has not been migrated.
    """
    async with database.connection() as connection:
        await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
        await connection.set_read_only(True)
        try:
            async with connection.transaction():
                row = await (await connection.execute(_SQL["chain_exists"])).fetchone()
                if not row or not row["found"]:
                    raise NoAuditChain
                yield connection
        finally:
            if not connection.closed:
                await connection.set_isolation_level(None)
                await connection.set_read_only(None)


async def read_links(
    connection: Connection, *, project: str | None = None, since: datetime | None = None
) -> AsyncIterator[list[Link]]:
    """Yield the rows in the order of their numbers, some thousand at a time."""
    params = {"project": project, "since": since}
    cursor = connection.cursor("chained_rows", binary=True, row_factory=tuple_row)
    async with cursor:
        await cursor.execute(_SQL["chained_rows"], params)
        while rows := await cursor.fetchmany(_BATCH):
            yield [_link(row) for row in rows]


def _link(row: tuple[Any, ...]) -> Link:
    return Link(seq=row[0], fields=row[1:12], previous_hash=row[12], hash=row[13])
