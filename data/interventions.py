"""What people do to incidents and attempts themselves, and how it was recorded."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from data.database import Connection, Database
from data.incidents import Resolved
from data.named_sql import read_queries

_SQL = read_queries("interventions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One row of the audit chain, of an attempt that is known."""

    seq: int
    recorded_at: datetime
    from_state: str | None
    to_state: str
    actor: str
    reason: str
    details: Mapping[str, Any]


async def resolve(connection: Connection, incident_id: int, resolution: str) -> Resolved | None:
    """Close an incident with what still holds in it; None when it is closed already."""
    values = {"incident_id": incident_id, "resolution": resolution}
    row = await (await connection.execute(_SQL["resolve_incident"], values)).fetchone()
    if row is None:
        return None
    await connection.execute(_SQL["end_anomalies_of"], {"incident_id": incident_id})
    return Resolved(**row)


async def steps_of(database: Database, attempt_id: UUID) -> list[Step]:
    """Return what the audit chain says of one attempt, in order."""
    rows = await database.fetch_all(_SQL["entries_of_attempt"], {"attempt_id": attempt_id})
    return [Step(**row) for row in rows]
