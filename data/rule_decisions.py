"""What the rules said of incidents, and what the rules were."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from data.database import Connection, Database
from data.named_sql import read_queries

_SQL = read_queries("rule_decisions")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDecision:
    """What the rules of a version say of an incident now; `target` is who would be acted on."""

    hub: str
    incident_id: int
    project: str | None
    kind: str
    step: str
    reason: str
    rules_version: str
    rule: str | None = None
    action: str | None = None
    target: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision(NewDecision):
    """A recorded decision."""

    id: int
    decided_at: datetime


async def record(connection: Connection, new: NewDecision) -> bool:
    """Keep a decision; False when it is the same as the last one of the incident."""
    values = {**asdict(new), "details": Jsonb(new.details)}
    return await (await connection.execute(_SQL["record_decision"], values)).fetchone() is not None


async def of_incident(database: Database, incident_id: int) -> list[Decision]:
    """Return what the rules said of an incident, in order."""
    rows = await database.fetch_all(_SQL["decisions_of_incident"], {"incident_id": incident_id})
    return [Decision(**row) for row in rows]


async def keep_version(database: Database, version: str, files: Mapping[str, str]) -> None:
    """Keep the text of the files that make up a version of the rules."""
    await database.execute(_SQL["keep_version"], {"version": version, "files": Jsonb(dict(files))})
