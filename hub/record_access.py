"""Where the record is: the Postgres that was given, or the embedded one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from config.settings import Settings
from data import migrations
from data.database import Database
from data.embedded import EmbeddedPostgres
from data.first_contact import first_contact


def embedded_postgres(settings: Settings) -> EmbeddedPostgres:
    """Return the cluster of this OPSLORE_HOME, not started."""
    return EmbeddedPostgres(settings.home / "postgres")


@asynccontextmanager
async def record_url(settings: Settings) -> AsyncIterator[str]:
    """Lend the address of the record; an embedded Postgres runs at least as long.

    Raises:
        EmbeddedPostgresFailed: it did not start.
    """
    if settings.database_url:
        yield settings.database_url
        return
    postgres = embedded_postgres(settings)
    await asyncio.to_thread(postgres.start)
    try:
        yield postgres.url()
    finally:
        await asyncio.to_thread(postgres.stop)


@asynccontextmanager
async def open_record(settings: Settings, *, migrate: bool = True) -> AsyncIterator[Database]:
    """Lend the record to a command, brought to the schema this program knows.

    Raises:
        DatabaseUnavailable: Postgres does not answer.
        EmbeddedPostgresFailed: it did not start.
        MigrationError: the database's schema is not one this program knows.
    """
    async with record_url(settings) as url:
        await first_contact(url)
        async with Database(url, max_size=2) as database:
            if migrate:
                await migrations.migrate(database)
            yield database
