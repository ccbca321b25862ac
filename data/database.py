"""The one way to Postgres: a pool of connections, and what may go wrong with it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, LiteralString

import psycopg
from psycopg import errors
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import set_json_dumps
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from config.errors import OpsloreError
from data.json_text import to_json

logger = logging.getLogger(__name__)
logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # what breaks is said by who asked

Connection = psycopg.AsyncConnection[DictRow]
Params = Mapping[str, Any]

set_json_dumps(to_json)


class DatabaseError(OpsloreError):
    """Postgres refused a statement."""


class DatabaseUnavailable(DatabaseError):
    """Postgres does not answer."""


class Database:
    """A small pool of autocommit connections to one database.

    Every method raises DatabaseUnavailable when Postgres is away and DatabaseError when it
    refuses the statement. A connection that broke is replaced by the pool; the statement
    that broke with it is not repeated, because only its caller knows whether it may be.
    """

    def __init__(self, url: str, *, max_size: int = 6, timeout_s: float = 5.0) -> None:
        self.url = url
        self._timeout_s = timeout_s
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            connection_class=psycopg.AsyncConnection[DictRow],
            kwargs={
                "autocommit": True,
                "row_factory": dict_row,
                "application_name": "opslore",
                "connect_timeout": 5,
                "options": "-c timezone=UTC -c statement_timeout=60000"
                " -c idle_in_transaction_session_timeout=10000",  # a hub that stands still
            },
            min_size=1,
            max_size=max_size,
            timeout=timeout_s,
            reconnect_timeout=0,
            open=False,
        )

    async def __aenter__(self) -> "Database":
        await self._pool.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pool.close(timeout=2)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection in autocommit mode."""
        try:
            async with self._pool.connection() as connection:
                yield connection
        except (errors.QueryCanceled, errors.DeadlockDetected) as error:
            raise DatabaseError(_first_line(error)) from error  # Postgres is there all the same
        except (PoolTimeout, psycopg.OperationalError) as error:
            raise DatabaseUnavailable(_first_line(error)) from error
        except psycopg.Error as error:
            raise DatabaseError(_first_line(error)) from error

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection inside a transaction: all of the block's statements, or none."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def fetch_all(self, query: LiteralString, params: Params | None = None) -> list[DictRow]:
        async with self.connection() as connection:
            return await (await connection.execute(query, params)).fetchall()

    async def fetch_one(self, query: LiteralString, params: Params | None = None) -> DictRow | None:
        async with self.connection() as connection:
            return await (await connection.execute(query, params)).fetchone()

    async def execute(self, query: LiteralString, params: Params | None = None) -> int:
        """Run a statement and return how many rows it touched."""
        async with self.connection() as connection:
            return (await connection.execute(query, params)).rowcount

    async def latency_ms(self) -> float:
        """Return the round trip of an empty statement, waiting for a connection included."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        await self.execute("SELECT 1")
        return (loop.time() - start) * 1_000


async def copy_rows(
    connection: Connection, statement: LiteralString, rows: Sequence[Sequence[Any]]
) -> None:
    """Send `rows` through one COPY, the cheapest way to store many: about 13 µs a row."""
    async with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            await copy.write_row(row)


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
