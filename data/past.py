"""What is on record of a stretch of time, read at once: one query for each kind of thing."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from pydantic import ValidationError

from config.project_spec import ProjectSpec
from data.database import Database
from data.named_sql import read_queries
from data.records import Severity
from data.states import AttemptState, Detector, Direction, Purpose

_SQL = read_queries("past")

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class PastAnomaly:
    """An anomaly; `value` is what it began with, `extreme` the worst it came to."""

    incident_id: int
    metric: str
    detector: Detector
    direction: Direction
    severity: Severity
    value: float
    extreme: float
    threshold: float
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PastIncident:
    """An incident of a project.

    `recovered` is False when it ended without: nobody watched any more, or it got worse.
    Another incident explained it from `explained_at`, None when none did, to `explained_until`,
    None while it goes on.
    """

    id: int
    project: str
    kind: str
    severity: Severity
    title: str
    opened_at: datetime
    resolved_at: datetime | None
    recovered: bool
    explained_at: datetime | None
    explained_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PastProject:
    """A project with its newest specification, None where this program cannot read it."""

    name: str
    spec: ProjectSpec | None
    version: str | None
    watched: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PastDeploy:
    """A finished deploy."""

    project: str
    at: datetime
    from_version: str | None
    version: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PastAttempt:
    """What became of one attempt."""

    incident_id: int | None
    project: str
    action: str
    purpose: Purpose
    number: int
    rule: str | None
    rules_version: str | None
    dry_run: bool
    state: AttemptState
    requested_at: datetime
    requested_by: str
    decided_at: datetime | None
    executing_at: datetime | None
    finished_at: datetime | None
    succeeded: bool | None
    permanent: bool

    @property
    def was_carried_out(self) -> bool:
        return self.executing_at is not None and not self.dry_run


@dataclass(frozen=True, slots=True, kw_only=True)
class PastDecision:
    """What the rules of a version said of an incident."""

    decided_at: datetime
    incident_id: int
    step: str
    reason: str
    rule: str | None
    rules_version: str
    action: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PastSilence:
    """A silence; None stands for any."""

    project: str | None
    tag: str | None
    kind: str | None
    starts_at: datetime
    ends_at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """From `start` until `end`, which is None while it goes on."""

    start: datetime
    end: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What happened from `since` to `until`, each in order of time.

    Incidents, deploys and attempts reach further back, to `since` minus what was asked for, so
    that what is in `since`'s first minutes finds what was before. `scrapes` are the newest values
    of metrics when an incident opened, by its number, and empty unless they were asked for.
    """

    since: datetime
    until: datetime
    projects: tuple[PastProject, ...] = ()
    incidents: tuple[PastIncident, ...] = ()
    anomalies: tuple[PastAnomaly, ...] = ()
    deploys: tuple[PastDeploy, ...] = ()
    attempts: tuple[PastAttempt, ...] = ()
    decisions: tuple[PastDecision, ...] = ()
    silences: tuple[PastSilence, ...] = ()
    brake: tuple[Stretch, ...] = ()
    fleet_outages: tuple[Stretch, ...] = ()
    scrapes: Mapping[int, Mapping[str, float]] = field(default_factory=dict)


async def load(
    database: Database,
    *,
    since: datetime,
    until: datetime,
    before: timedelta = timedelta(),
    with_scrapes: bool = False,
) -> Past:
    """Return what is on record; `before` is how much further back the rules can look."""
    period = {"since": since - before, "until": until}

    async def rows(query: str, make: Callable[..., T], params: Mapping[str, Any]) -> tuple[T, ...]:
        return tuple(make(**row) for row in await database.fetch_all(_SQL[query], params))

    incidents, anomalies, projects, deploys, attempts, decisions = await asyncio.gather(
        rows("past_incidents", PastIncident, period),
        rows("past_anomalies", PastAnomaly, period),
        rows("past_projects", _project, {}),
        rows("past_deploys", PastDeploy, period),
        rows("past_attempts", PastAttempt, period),
        rows("past_decisions", PastDecision, {"since": since, "until": until}),
    )
    brake = await database.fetch_all(_SQL["past_brake"], {"until": until})
    return Past(
        since=since,
        until=until,
        projects=projects,
        incidents=incidents,
        anomalies=anomalies,
        deploys=deploys,
        attempts=attempts,
        decisions=decisions,
        silences=await rows("past_silences", PastSilence, period),
        brake=_pulled([(row["at"], row["stopped"]) for row in brake]),
        fleet_outages=await rows("past_fleet_outages", Stretch, period),
        scrapes=await _scrapes(database, period) if with_scrapes else {},
    )


async def _scrapes(
    database: Database, period: Mapping[str, datetime]
) -> dict[int, dict[str, float]]:
    found = {}
    for row in await database.fetch_all(_SQL["past_scrapes"], period):
        values = {**row.pop("other"), **row}
        incident_id = values.pop("id")
        found[incident_id] = {name: value for name, value in values.items() if value is not None}
    return found


def _project(
    *, name: str, spec: Mapping[str, Any], version: str | None, watched: bool
) -> PastProject:
    try:
        read = ProjectSpec.model_validate(spec)
    except ValidationError:  # one that was removed before this version of the program
        read = None
    return PastProject(name=name, spec=read, version=version, watched=watched)


def _pulled(moves: list[tuple[datetime, bool]]) -> tuple[Stretch, ...]:
    """Return when the brake was pulled, from when it was pulled and released."""
    stretches: list[Stretch] = []
    start: datetime | None = None
    for at, stopped in moves:
        if stopped and start is None:
            start = at
        elif not stopped and start is not None:
            stretches.append(Stretch(start=start, end=at))
            start = None
    return (*stretches, Stretch(start=start, end=None)) if start else tuple(stretches)
