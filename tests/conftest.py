"""What every test may ask for: a real Postgres, a migrated database of its own, its bus."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from data import migrations, partitions
from data.database import Database
from data.embedded import EmbeddedPostgres

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL cluster for the whole run. It need not outlive a crash of the machine."""
    postgres = EmbeddedPostgres(tmp_path_factory.mktemp("postgres") / "data")
    postgres.start()
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes", "wal_compression"):  # a clone: 70, not 300 ms
            connection.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
        connection.execute("SELECT pg_reload_conf()")
    yield postgres
    postgres.stop()


@pytest.fixture(scope="session")
def template(cluster: EmbeddedPostgres) -> str:
    """The name of a migrated database that others are cloned from."""

    async def migrate() -> None:
        async with Database(cluster.url("template_opslore")) as database:
            await migrations.migrate(database)
            async with database.transaction() as connection:
                row = await (await connection.execute("SELECT now() AS now")).fetchone()
                assert row is not None
                await partitions.create_ahead(connection, row["now"].date())

    asyncio.run(migrate())
    return "template_opslore"


@pytest.fixture
def database_url(cluster: EmbeddedPostgres, template: str) -> str:
    """The address of a migrated, empty database of one's own; it goes with the cluster."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return cluster.url(name)


@pytest.fixture
def cluster_url_empty(cluster: EmbeddedPostgres) -> str:
    """The address of a database without our schema."""
    return cluster.url(f"empty_{next(_numbers)}")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url) as database:
        yield database


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder for the state of one program."""
    return tmp_path / "home"
