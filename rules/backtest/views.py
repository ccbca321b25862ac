"""Recorded things as the rules see them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from data.past import Past, PastAnomaly, PastIncident, PastProject, PastSilence
from data.records import Severity
from rules.projection import IncidentView, ProjectView, SilenceView, upstream_of

_WEIGHT: Final[Mapping[Severity, int]] = {"info": 0, "warning": 1, "critical": 2}


def anomaly_then(anomalies: Sequence[PastAnomaly], now: datetime) -> PastAnomaly | None:
    """Return the anomaly that told most: one that held, then the gravest, then the newest."""

    def rank(one: PastAnomaly) -> tuple[bool, bool, bool, datetime]:
        held = one.ended_at is None or one.ended_at > now
        return held, one.severity == "critical", one.detector == "threshold", one.started_at

    begun = [one for one in anomalies if one.started_at <= now] or anomalies[:1]
    return max(begun, key=rank, default=None)


def severity_then(
    incident: PastIncident, anomalies: Sequence[PastAnomaly], now: datetime
) -> Severity:
    """Return how severe an incident was: as its anomalies so far, an outage as it is."""
    begun = [one.severity for one in anomalies if one.started_at <= now]
    return max(begun, key=_WEIGHT.__getitem__, default=incident.severity)


def incident_view(
    incident: PastIncident, anomaly: PastAnomaly | None, severity: Severity
) -> IncidentView:
    """Return an incident; what it came to later is not told."""
    return IncidentView(
        id=incident.id,
        project=incident.project,
        kind=incident.kind,
        severity=severity,
        title=incident.title,
        opened_at=incident.opened_at,
        resolved_at=incident.resolved_at,
        metric=anomaly.metric if anomaly else None,
        detector=anomaly.detector if anomaly else None,
        direction=anomaly.direction if anomaly else None,
        value=anomaly.value if anomaly else None,
        extreme=anomaly.value if anomaly else None,
        threshold=anomaly.threshold if anomaly else None,
    )


def silence_view(silence: PastSilence) -> SilenceView:
    return SilenceView(
        starts_at=silence.starts_at,
        ends_at=silence.ends_at,
        reason=silence.reason,
        project=silence.project,
        tag=silence.tag,
        kind=silence.kind,
    )


def project_views(past: Past) -> dict[str, ProjectView]:
    """Return every project, also those that are only known by their incidents."""
    known = {one.name: one for one in past.projects}
    depends_on = {one.name: one.spec.depends_on for one in past.projects if one.spec}
    upstream = {name: upstream_of(name, depends_on) for name in depends_on}
    dependents: dict[str, int] = {}
    for others in upstream.values():
        for name in others:
            dependents[name] = dependents.get(name, 0) + 1
    names = {*known, *upstream, *(incident.project for incident in past.incidents)}
    return {
        name: _project_view(name, known.get(name), upstream.get(name, ()), dependents.get(name, 0))
        for name in names
    }


def _project_view(
    name: str, known: PastProject | None, upstream: tuple[str, ...], dependents: int
) -> ProjectView:
    spec = known.spec if known else None
    return ProjectView(
        name=name,
        status="unknown",
        autonomy=spec.autonomy if spec else "observe",
        version=known.version if known else None,
        tags=spec.tags if spec else (),
        upstream=upstream,
        dependents=dependents,
    )
