"""The audit chain: what was done to projects, each row bound to the one before by its hash.

The database numbers, dates and chains the rows (`0003_audit_chain.sql`); nothing that a writer
says of these counts. Whoever writes to the event log in the same transaction appends here first:
both take a lock until the commit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from data.database import Connection, Database
from data.named_sql import read_queries

_SQL = read_queries("audit_chain")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEntry:
    """A step of an action, to be recorded for good; `from_state` is None for its first."""

    action_id: UUID
    project: str
    action: str
    to_state: str
    actor: str
    reason: str
    incident_id: int | None = None
    from_state: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A recorded step; `seq` counts from 1 without gaps, hashes are SHA-256 in hex."""

    seq: int
    recorded_at: datetime
    action_id: UUID
    project: str
    incident_id: int | None
    action: str
    from_state: str | None
    to_state: str
    actor: str
    reason: str
    details: Mapping[str, Any]
    previous_hash: str
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The newest row of the chain of one record."""

    database: UUID
    seq: int
    hash: str


async def append(connection: Connection, rows: Sequence[NewEntry]) -> list[int]:
    """Record entries inside the caller's transaction and return their numbers, in order.

    Writers wait for each other until the end of their transactions. Text cannot hold NUL;
    it becomes U+FFFD.

    Raises:
        psycopg.Error: the transaction is not at READ COMMITTED, or the incident is unknown.
    """
    if not rows:
        return []
    given = Jsonb([{**asdict(row), "action_id": str(row.action_id)} for row in rows])
    cursor = await connection.execute(_SQL["append_actions"], {"entries": given})
    return sorted(row["seq"] for row in await cursor.fetchall())


async def head(database: Database) -> Head | None:
    """Return the newest row, None while nothing was done."""
    row = await database.fetch_one(_SQL["audit_head"])
    if row is None:
        return None
    return Head(
        database=row["database"],
        seq=row["seq"],
        hash=row["hash"].hex(),
    )


async def hash_at(database: Database, seq: int) -> str | None:
    """Return the stored hash of one row in hex, None when there is no such row."""
    row = await database.fetch_one(_SQL["audit_hash_at"], {"seq": seq})
    return row["hash"].hex() if row else None


async def identity_of(connection: Connection) -> UUID:
    """Return which record this is; only copies of it have the same."""
    row = await (await connection.execute(_SQL["record_identity"])).fetchone()
    return row["id"] if row else UUID(int=0)


async def list_newest(
    database: Database, *, project: str | None = None, limit: int = 50
) -> list[Entry]:
    """Return the newest entries, the newest first."""
    params = {"project": project, "limit": limit}
    rows = await database.fetch_all(_SQL["newest_actions"], params)
    return [
        Entry(**{**row, "previous_hash": row["previous_hash"].hex(), "hash": row["hash"].hex()})
        for row in rows
    ]
