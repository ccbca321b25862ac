"""Bring a database to the schema this code expects: numbered `.sql` files, each run once."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from config.errors import OpsloreError
from data.database import Connection, Database
from data.named_sql import read_queries

FOLDER = Path(__file__).parent
_NAME = re.compile(r"^(?P<number>\d{4})_[a-z0-9_]+$")
_SQL = read_queries("migrations")


class MigrationError(OpsloreError):
    """The database's schema is not one that this program wrote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step of the schema; `digest` is the SHA-256 of its text."""

    number: int
    name: str
    digest: str
    applied: bool


def _files() -> list[Path]:
    return sorted(path for path in FOLDER.glob("*.sql") if _NAME.match(path.stem))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


async def status(database: Database) -> list[Migration]:
    """Return every migration this program knows, and whether the database has it.

    Raises:
        MigrationError: an applied migration's text changed, or the database is newer.
    """
    async with database.connection() as connection:
        return _compare(await _applied(connection))


async def migrate(database: Database) -> list[Migration]:
    """Apply what is missing, in one transaction, and return what was applied.

    Hubs that start at once wait for each other on an advisory lock.
    """
    async with database.transaction() as connection:
        await connection.execute(_SQL["lock_migrations"])
        await connection.execute(_SQL["create_migrations"])
        missing = [step for step in _compare(await _applied(connection)) if not step.applied]
        for step in missing:
            text = (FOLDER / f"{step.name}.sql").read_text(encoding="utf-8")
            await connection.execute(text)
            await connection.execute(
                _SQL["record_migration"],
                {"number": step.number, "name": step.name, "digest": step.digest},
            )
    return missing


async def _applied(connection: Connection) -> dict[int, str]:
    exists = await (await connection.execute(_SQL["migrations_exist"])).fetchone()
    if exists is None or not exists["found"]:
        return {}
    rows = await (await connection.execute(_SQL["applied_migrations"])).fetchall()
    return {row["number"]: row["digest"] for row in rows}


def _compare(applied: dict[int, str]) -> list[Migration]:
    known: list[Migration] = []
    for path in _files():
        number, digest = int(path.stem[:4]), _digest(path)
        if applied.get(number, digest) != digest:
            raise MigrationError(
                f"migration {path.stem} was applied to this database with another text;"
                " restore the file, or give a database of its own"
            )
        known.append(
            Migration(number=number, name=path.stem, digest=digest, applied=number in applied)
        )
    newer = sorted(set(applied) - {step.number for step in known})
    if newer:
        raise MigrationError(
            f"the database has migration {newer[-1]:04}, this program knows up to"
            f" {known[-1].number:04}: update the program"
        )
    return known
