"""Everything the record knows about one incident at one moment, for whoever decides about it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg.rows import DictRow

from data import attempts, brake, silences
from data.attempts import Attempt
from data.brake import Brake
from data.database import Connection
from data.named_sql import read_queries
from data.records import Severity
from data.silences import Silence
from data.states import AttemptState, IncidentState, Purpose

_SQL = read_queries("circumstances")
_METRICS = ("cpu_percent", "memory_percent", "error_rate_percent", "response_ms")


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentNow:
    """An incident, its project as it stands, and whether another open incident explains it."""

    id: int
    project: str | None
    hub: str | None
    kind: str
    severity: Severity
    state: IncidentState
    title: str
    opened_at: datetime
    updated_at: datetime
    resolved_at: datetime | None
    resolution: str | None
    acknowledged_at: datetime | None
    cause_id: int | None
    cause_title: str | None
    is_explained: bool
    status: str | None
    version: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GravestAnomaly:
    """What tells most of an incident, in the metric's own unit."""

    metric: str
    detector: str
    direction: str
    value: float
    extreme: float
    threshold: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NearbyIncident:
    """Another incident, or this one."""

    id: int
    project: str
    kind: str
    severity: Severity
    title: str
    opened_at: datetime
    resolved_at: datetime | None
    value: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NearbyDeploy:
    """A deploy."""

    project: str
    at: datetime
    from_version: str | None
    version: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NearbyAttempt:
    """An attempt; `at` is when it came to its state."""

    project: str
    action: str
    state: AttemptState
    rule: str | None
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Something that was done to a project, as the limits count it."""

    project: str
    action: str
    purpose: Purpose
    state: AttemptState
    executing_at: datetime
    finished_at: datetime | None
    succeeded: bool | None
    incident_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """An attempt on a project that is under way."""

    project: str
    action: str
    incident_id: int | None
    state: AttemptState


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """One incident and what is beside it; `now` is the database's clock."""

    now: datetime
    incident: IncidentNow
    anomaly: GravestAnomaly | None
    metrics: Mapping[str, float]
    attempts: tuple[Attempt, ...]
    incidents: tuple[NearbyIncident, ...]
    deploys: tuple[NearbyDeploy, ...]
    nearby_attempts: tuple[NearbyAttempt, ...]
    silences: tuple[Silence, ...]
    acts: tuple[Act, ...]
    unfinished: tuple[Unfinished, ...]
    acted_projects: frozenset[str]
    brake: Brake
    network_is_suspected: bool


async def incident_now(connection: Connection, incident_id: int) -> IncidentNow | None:
    """Return an incident as it stands, None when there is none of this number."""
    rows = await _all(connection, "incident_now", {"incident_id": incident_id})
    return IncidentNow(**rows[0]) if rows else None


async def load(
    connection: Connection,
    incident: IncidentNow,
    *,
    horizon: timedelta,
    acts_within: timedelta,
    blast_within: timedelta,
    neighbours: Collection[str],
) -> Circumstances:
    """Return what is beside an incident.

    `horizon` is how far back facts reach. `acts_within` is how far back the limits of the
    incident's project and its `neighbours`, which may be acted on for it, look.
    """
    targets = [*filter(None, (incident.project,)), *neighbours]
    of_incident = {"incident_id": incident.id}
    near = {"horizon": horizon}
    anomalies = await _all(connection, "gravest_anomaly", of_incident)
    scraped = await _all(connection, "newest_metrics", {"project": incident.project or ""})
    around = {query: await _all(connection, query, near) for query in _NEARBY}
    acts = await _all(connection, "acts_on", {"projects": targets, "horizon": acts_within})
    unfinished = await _all(connection, "unfinished_on", {"projects": targets})
    acted = await _all(connection, "acted_projects", {"within": blast_within})
    suspected = await _all(connection, "network_is_suspected", {})
    pulled = await brake.read(connection)
    return Circumstances(
        now=suspected[0]["now"],
        incident=incident,
        anomaly=GravestAnomaly(**anomalies[0]) if anomalies else None,
        metrics=_metrics(scraped[0]) if scraped else {},
        attempts=tuple(await attempts.of_incident(connection, incident.id)),
        incidents=tuple(NearbyIncident(**row) for row in around["nearby_incidents"]),
        deploys=tuple(NearbyDeploy(**row) for row in around["nearby_deploys"]),
        nearby_attempts=tuple(NearbyAttempt(**row) for row in around["nearby_attempts"]),
        silences=tuple(await silences.active(connection)),
        acts=tuple(Act(**row) for row in acts),
        unfinished=tuple(Unfinished(**row) for row in unfinished),
        acted_projects=frozenset(row["project"] for row in acted),
        brake=pulled,
        network_is_suspected=suspected[0]["suspected"],
    )


_NEARBY = ("nearby_incidents", "nearby_deploys", "nearby_attempts")


def _metrics(row: DictRow) -> dict[str, float]:
    own = {name: row[name] for name in _METRICS if row[name] is not None}
    other = {
        name: float(value)
        for name, value in row["other"].items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    return other | own


async def _all(connection: Connection, query: str, params: Mapping[str, Any]) -> list[DictRow]:
    return await (await connection.execute(_SQL[query], params)).fetchall()
