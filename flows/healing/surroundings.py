"""From what the record knows of an incident to what the rules can be asked about."""

from datetime import datetime

from config.maintenance import current_window
from data.circumstances import Circumstances
from flows.healing.fleet import Fleet
from rules.facts import Fact, Signal
from rules.projection import (
    ActionView,
    DeployView,
    IncidentView,
    ProjectView,
    SilenceView,
    Surroundings,
    facts_of,
    signal_of,
)

FLEET = "fleet"
"""What an incident that is of no project is said to be of."""


def signal_and_facts(circumstances: Circumstances, fleet: Fleet) -> tuple[Signal, list[Fact]]:
    """Return the incident and what is beside it, as of the circumstances' own time."""
    now, incident = circumstances.now, _incident(circumstances)
    project = _own_project(circumstances, fleet)
    around = Surroundings(
        projects={**fleet.views, project.name: project},
        incidents=[
            IncidentView(
                id=other.id,
                project=other.project,
                kind=other.kind,
                severity=other.severity,
                title=other.title,
                opened_at=other.opened_at,
                resolved_at=other.resolved_at,
                value=other.value,
            )
            for other in circumstances.incidents
        ],
        deploys=[
            DeployView(
                project=deploy.project,
                at=deploy.at,
                from_version=deploy.from_version,
                version=deploy.version,
            )
            for deploy in circumstances.deploys
        ],
        actions=[
            ActionView(
                project=attempt.project,
                action=attempt.action,
                state=attempt.state,
                at=attempt.at,
                rule=attempt.rule,
                by=attempt.by,
            )
            for attempt in circumstances.nearby_attempts
        ],
        silences=[
            SilenceView(
                starts_at=silence.starts_at,
                ends_at=silence.ends_at,
                reason=silence.reason,
                project=silence.project,
                tag=silence.tag,
                kind=silence.kind,
            )
            for silence in circumstances.silences
        ],
        maintenance=_maintenance(project, fleet, now),
    )
    tried = sum(attempt.succeeded is not None for attempt in circumstances.attempts)
    return signal_of(incident, project, now, attempts=tried), facts_of(incident, around, now)


def _incident(circumstances: Circumstances) -> IncidentView:
    incident, anomaly = circumstances.incident, circumstances.anomaly
    return IncidentView(
        id=incident.id,
        project=incident.project or FLEET,
        kind=incident.kind,
        severity=incident.severity,
        title=incident.title,
        opened_at=incident.opened_at,
        resolved_at=incident.resolved_at,
        metric=anomaly.metric if anomaly else None,
        detector=anomaly.detector if anomaly else None,
        direction=anomaly.direction if anomaly else None,
        value=anomaly.value if anomaly else None,
        extreme=anomaly.extreme if anomaly else None,
        threshold=anomaly.threshold if anomaly else None,
    )


def _own_project(circumstances: Circumstances, fleet: Fleet) -> ProjectView:
    incident = circumstances.incident
    spec = fleet.specs.get(incident.project or "")
    return ProjectView(
        name=incident.project or FLEET,
        status=incident.status or "unknown",
        autonomy=spec.autonomy if spec else "observe",
        version=incident.version,
        tags=spec.tags if spec else (),
        upstream=fleet.upstream.get(incident.project or "", ()),
        dependents=fleet.dependents(incident.project) if incident.project else len(fleet),
        metrics=circumstances.metrics,
    )


def _maintenance(project: ProjectView, fleet: Fleet, now: datetime) -> dict[str, str]:
    windows = {
        name: current_window(fleet.specs[name].maintenance, now)
        for name in (project.name, *project.upstream)
        if name in fleet.specs
    }
    return {name: window.reason for name, window in windows.items() if window is not None}
