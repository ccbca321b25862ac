"""Anomalies: detections that hold for a while, each part of an incident."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg.types.json import Jsonb

from data.database import Connection, Database
from data.named_sql import read_queries
from data.records import Severity
from data.states import Detector, Direction

_SQL = read_queries("anomalies")

Identity = tuple[str, str, Detector]
"""What makes an anomaly the same one from pass to pass: project, metric, detector."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a detector says of one metric at one moment.

    `value` and `threshold` are in the metric's own unit. `kind` is the incident's kind: the
    metric without its unit, `cpu` for `cpu_percent`.
    """

    project: str
    kind: str
    metric: str
    detector: Detector
    direction: Direction
    severity: Severity
    value: float
    threshold: float
    time_window: timedelta
    reason: str
    at: datetime

    @property
    def identity(self) -> Identity:
        return self.project, self.metric, self.detector


@dataclass(frozen=True, slots=True, kw_only=True)
class Anomaly:
    """A recorded anomaly; `ended_at` is None while it holds."""

    id: int
    project: str
    kind: str
    metric: str
    detector: Detector
    direction: Direction
    severity: Severity
    value: float
    extreme: float
    threshold: float
    time_window: timedelta
    reason: str
    started_at: datetime
    last_seen_at: datetime
    incident_id: int
    ended_at: datetime | None = None

    @property
    def identity(self) -> Identity:
        return self.project, self.metric, self.detector


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """An anomaly that was ended by this call."""

    id: int
    project: str
    kind: str
    metric: str
    detector: Detector
    severity: Severity
    extreme: float
    threshold: float
    started_at: datetime
    ended_at: datetime
    incident_id: int


async def open_in(database: Database, projects: Sequence[str]) -> list[Anomaly]:
    """Return the anomalies that hold now in some projects."""
    rows = await database.fetch_all(_SQL["open_anomalies"], {"projects": list(projects)})
    return [Anomaly(**row) for row in rows]


async def of_incident(database: Database, incident_id: int) -> list[Anomaly]:
    """Return every anomaly that belongs to an incident, in order."""
    rows = await database.fetch_all(_SQL["anomalies_of_incident"], {"incident_id": incident_id})
    return [Anomaly(**row) for row in rows]


async def begin(connection: Connection, findings: Sequence[tuple[Finding, int]]) -> list[Identity]:
    """Record anomalies that began, each with its incident; return those that were new."""
    given = [
        {**_moment(finding), **_nature(finding), "incident_id": incident_id}
        for finding, incident_id in findings
    ]
    cursor = await connection.execute(_SQL["begin_anomalies"], {"anomalies": Jsonb(given)})
    return [(row["project"], row["metric"], row["detector"]) for row in await cursor.fetchall()]


async def touch(connection: Connection, findings: Sequence[Finding]) -> None:
    """Note that anomalies still hold, with their newest value and the worst so far."""
    given = Jsonb([_moment(finding) for finding in findings])
    await connection.execute(_SQL["touch_anomalies"], {"anomalies": given})


async def end(connection: Connection, identities: Sequence[Identity], at: datetime) -> list[Ended]:
    """End anomalies that no longer hold and return those that had not ended yet."""
    given = [
        {"project": project, "metric": metric, "detector": detector, "at": at}
        for project, metric, detector in identities
    ]
    cursor = await connection.execute(_SQL["end_anomalies"], {"anomalies": Jsonb(given)})
    return [Ended(**row) for row in await cursor.fetchall()]


async def end_unwatched(connection: Connection) -> None:
    """End what holds in projects that nobody watches any more."""
    await connection.execute(_SQL["end_unwatched"])


async def settled(
    connection: Connection, pairs: Sequence[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Return those (project, kind) pairs in which no anomaly holds any more."""
    given = Jsonb([{"project": project, "kind": kind} for project, kind in pairs])
    cursor = await connection.execute(_SQL["settled_kinds"], {"pairs": given})
    return [(row["project"], row["kind"]) for row in await cursor.fetchall()]


def _moment(finding: Finding) -> dict[str, object]:
    return {
        "project": finding.project,
        "metric": finding.metric,
        "detector": finding.detector,
        "value": finding.value,
        "reason": finding.reason,
        "at": finding.at,
    }


def _nature(finding: Finding) -> dict[str, object]:
    return {
        "kind": finding.kind,
        "direction": finding.direction,
        "severity": finding.severity,
        "threshold": finding.threshold,
        "window_s": finding.time_window.total_seconds(),
    }
