"""From plain records to what rules can be asked about: the same for the hub and for a replay.

Everything here is as of one moment, `now`: an incident that was resolved later is open, hours and
weekdays are those of UTC.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from data.states import DOWN
from rules.facts import METRICS, Fact, FieldValue, Signal

_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectView:
    """A project as the rules see it.

    `upstream` are all projects it depends on, the direct ones first; `dependents` is how many
    depend on it, also through others. `metrics` are the newest values, by name.
    """

    name: str
    status: str
    autonomy: str
    version: str | None = None
    tags: tuple[str, ...] = ()
    upstream: tuple[str, ...] = ()
    dependents: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentView:
    """An incident and the gravest of its anomalies; an outage has none, so no metric."""

    id: int
    project: str
    kind: str
    severity: str
    title: str
    opened_at: datetime
    resolved_at: datetime | None = None
    metric: str | None = None
    detector: str | None = None
    direction: str | None = None
    value: float | None = None
    extreme: float | None = None
    threshold: float | None = None
    baseline: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployView:
    """A deploy that is finished."""

    project: str
    at: datetime
    from_version: str | None
    version: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionView:
    """An attempt, in the state it is in now; `at` is when it came to that."""

    project: str
    action: str
    state: str
    at: datetime
    rule: str | None
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceView:
    """A silence; what is None is not asked for."""

    starts_at: datetime
    ends_at: datetime
    reason: str
    project: str | None = None
    tag: str | None = None
    kind: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is beside an incident. `maintenance` gives the reason, by project in a window now."""

    projects: Mapping[str, ProjectView]
    incidents: Sequence[IncidentView] = ()
    deploys: Sequence[DeployView] = ()
    actions: Sequence[ActionView] = ()
    silences: Sequence[SilenceView] = ()
    maintenance: Mapping[str, str] = field(default_factory=dict)


def signal_of(
    incident: IncidentView, project: ProjectView, now: datetime, *, attempts: int = 0
) -> Signal:
    """Return the incident as the rules see it; `attempts` are those finished in it so far."""
    at = now.astimezone(UTC)
    fields: dict[str, FieldValue] = {
        "kind": incident.kind,
        "project": incident.project,
        "severity": incident.severity,
        "title": incident.title,
        "metric": incident.metric,
        "detector": incident.detector,
        "direction": incident.direction,
        "value": incident.value,
        "extreme": incident.extreme,
        "threshold": incident.threshold,
        "baseline": incident.baseline,
        "age_s": max(0.0, (now - incident.opened_at).total_seconds()),
        "attempts": float(attempts),
        "hour": float(at.hour),
        "weekday": _WEEKDAYS[at.weekday()],
        "dependents": float(project.dependents),
        "dependency": _dependency(project),
        "status": project.status,
        "version": project.version,
        "autonomy": project.autonomy,
        "tags": project.tags,
    }
    for name, value in project.metrics.items():
        fields[METRICS + name] = value
    return Signal(at=now, fields=fields)


def facts_of(incident: IncidentView, around: Surroundings, now: datetime) -> list[Fact]:
    """Return what is beside an incident now, without the incident itself."""
    project = around.projects[incident.project]
    down = {
        other.project for other in around.incidents if other.kind == DOWN and _is_open(other, now)
    }
    return [
        *(
            incident_fact(
                other, around.projects.get(other.project), project, now, down=other.project in down
            )
            for other in around.incidents
            if other.id != incident.id and other.opened_at <= now
        ),
        *(deploy_fact(deploy) for deploy in around.deploys if deploy.at <= now),
        *(action_fact(action) for action in around.actions if action.at <= now),
        *maintenance_facts(around.maintenance, project, now),
        *silence_facts(around.silences, incident, project, now),
    ]


def incident_fact(
    other: IncidentView,
    its_project: ProjectView | None,
    project: ProjectView,
    now: datetime,
    *,
    down: bool,
) -> Fact:
    """Return another incident beside one of `project`; `down` is whether its project is down."""
    return Fact(
        type="incident",
        at=other.opened_at,
        fields={
            "project": other.project,
            "kind": other.kind,
            "severity": other.severity,
            "state": "open" if _is_open(other, now) else "resolved",
            "value": other.value,
            "tags": its_project.tags if its_project else (),
            "dependency": _dependency(its_project) if its_project else None,
            "shared_dependency": shared_dependency(project, its_project) if its_project else None,
            "down": down,
        },
    )


def shared_dependency(project: ProjectView, other: ProjectView) -> str | None:
    """Return the first project that both depend on, in the order of `project`."""
    return next((name for name in project.upstream if name in other.upstream), None)


def upstream_of(name: str, depends_on: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return all projects that one depends on, the nearest first, each once."""
    found: dict[str, None] = {}
    nearest = [name]
    while nearest:
        further = (other for one in nearest for other in depends_on.get(one, ()))
        nearest = [other for other in further if other not in found and other != name]
        found.update(dict.fromkeys(nearest))
    return tuple(found)


def deploy_fact(deploy: DeployView) -> Fact:
    return Fact(
        type="deploy",
        at=deploy.at,
        fields={
            "project": deploy.project,
            "status": "finished",
            "from_version": deploy.from_version,
            "version": deploy.version,
        },
    )


def action_fact(action: ActionView) -> Fact:
    return Fact(
        type="action",
        at=action.at,
        fields={
            "project": action.project,
            "action": action.action,
            "state": action.state,
            "rule": action.rule,
            "by": action.by,
        },
    )


def maintenance_facts(
    reasons: Mapping[str, str], project: ProjectView, now: datetime
) -> Iterator[Fact]:
    """Yield the windows of a project and of what it depends on; what holds now is of now."""
    for name in (project.name, *project.upstream):
        if (reason := reasons.get(name)) is not None:
            fields: dict[str, FieldValue] = {"project": name, "reason": reason}
            yield Fact(type="maintenance", at=now, fields=fields)


def silence_facts(
    silences: Iterable[SilenceView], incident: IncidentView, project: ProjectView, now: datetime
) -> Iterator[Fact]:
    """Yield the silences that cover an incident now, as if each were for it alone."""
    for silence in silences:
        if silence.starts_at <= now < silence.ends_at and covers(silence, incident, project):
            fields: dict[str, FieldValue] = {
                "project": incident.project,
                "kind": incident.kind,
                "reason": silence.reason,
            }
            yield Fact(type="silence", at=now, fields=fields)


def covers(silence: SilenceView, incident: IncidentView, project: ProjectView) -> bool:
    """Return whether a silence is meant for this incident, whenever it holds."""
    return (
        silence.project in (None, incident.project)
        and silence.kind in (None, incident.kind)
        and (silence.tag is None or silence.tag in project.tags)
    )


def _is_open(incident: IncidentView, now: datetime) -> bool:
    return incident.opened_at <= now and (
        incident.resolved_at is None or incident.resolved_at > now
    )


def _dependency(project: ProjectView) -> str | None:
    return project.upstream[0] if project.upstream else None
