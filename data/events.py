"""The event log: what happened, in order, announced to every listener as it is committed."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

from psycopg.types.json import Jsonb

from data.database import Connection, Database
from data.named_sql import read_queries
from data.records import Severity

CHANNEL = "opslore_events"
_SQL = read_queries("events")

EventKind = Literal[
    "ProjectDown",
    "ProjectDegraded",
    "ProjectRecovered",
    "ProjectDeployed",
    "AnomalyDetected",
    "AnomalyCleared",
    "IncidentOpened",
    "IncidentSuppressed",
    "IncidentResolved",
    "ActionSuggested",
    "ApprovalRequested",
    "ApprovalDecided",
    "ActionRequested",
    "ActionExecuted",
    "ActionVerified",
    "ActionFailed",
    "ActionUndone",
    "ActionHeld",
    "Escalated",
    "IncidentAcknowledged",
    "NoticeSent",
    "NoticeFailed",
    "RulesChanged",
    "RulesRejected",
    "ActingStopped",
    "ActingResumed",
    "SilenceAdded",
    "SilenceEnded",
    "AuditAnchored",
    "AuditBroken",
    "FleetUnreachable",
    "FleetReachable",
    "RegistryChanged",
    "ConfigRejected",
    "ConfigAccepted",
    "HubStarted",
    "HubStopped",
    "AgentFailed",
    "PrefectUnreachable",
    "PrefectReachable",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """An event to record. `occurred_at` is when the fact held, not when it is written."""

    occurred_at: datetime
    hub: str
    agent: str
    kind: EventKind
    severity: Severity
    message: str
    project: str | None = None
    incident_id: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A recorded event; `id` grows in the order of recording."""

    id: int
    occurred_at: datetime
    recorded_at: datetime
    hub: str
    agent: str
    kind: str
    severity: Severity
    project: str | None
    incident_id: int | None
    message: str
    details: Mapping[str, Any]


async def append(connection: Connection, events: Sequence[NewEvent]) -> list[int]:
    """Record events inside the caller's transaction and return their numbers."""
    if not events:
        return []
    given = Jsonb([asdict(event) for event in events])
    rows = await (await connection.execute(_SQL["append_events"], {"events": given})).fetchall()
    return [row["id"] for row in rows]


async def record(database: Database, *events: NewEvent) -> list[int]:
    """Record events in a transaction of their own and return their numbers."""
    async with database.transaction() as connection:
        return await append(connection, events)


async def after(
    database: Database,
    event_id: int,
    *,
    project: str | None = None,
    kind: str | None = None,
    limit: int = 1_000,
) -> list[Event]:
    """Return the events recorded after `event_id`, oldest first."""
    params = {"after": event_id, "project": project, "kind": kind, "limit": limit}
    return [Event(**row) for row in await database.fetch_all(_SQL["events_after"], params)]


async def latest(
    database: Database, *, project: str | None = None, kind: str | None = None, limit: int = 50
) -> list[Event]:
    """Return the newest events, oldest first."""
    params = {"project": project, "kind": kind, "limit": limit}
    return [Event(**row) for row in await database.fetch_all(_SQL["latest_events"], params)]


async def of_incident(database: Database, incident_id: int) -> list[Event]:
    """Return everything that happened in one incident, oldest first."""
    rows = await database.fetch_all(_SQL["incident_events"], {"incident_id": incident_id})
    return [Event(**row) for row in rows]


async def last_id(database: Database) -> int:
    """Return the number of the newest event, 0 when there is none."""
    row = await database.fetch_one(_SQL["last_event_id"])
    return row["id"] if row else 0
