"""Record what the detectors found: anomalies begin, go on and end; incidents follow them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from data import anomalies, events, incidents
from data.anomalies import Ended, Finding, Identity
from data.database import Connection, Database
from data.events import NewEvent
from data.incidents import Problem, Solved
from data.records import Severity
from flows import incident_events

AGENT = "metrics-analyser"
_WEIGHT: dict[Severity, int] = {"info": 0, "warning": 1, "critical": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One look at the metrics: what began, what goes on and what is over since the last."""

    started: Sequence[Finding]
    going_on: Sequence[Finding]
    over: Sequence[Identity]
    at: datetime

    def __bool__(self) -> bool:
        return bool(self.started or self.going_on or self.over)


def compare(
    findings: Sequence[Finding],
    cleared: Collection[Identity],
    ongoing: Collection[Identity],
    at: datetime,
) -> Pass:
    """Tell what changed against the anomalies that held before, `ongoing`."""
    return Pass(
        started=[finding for finding in findings if finding.identity not in ongoing],
        going_on=[finding for finding in findings if finding.identity in ongoing],
        over=sorted(identity for identity in cleared if identity in ongoing),
        at=at,
    )


async def record(
    database: Database, hub: str, seen: Pass, dependencies: Mapping[str, Sequence[str]]
) -> None:
    """Record one pass in one transaction.

    1. Open an incident per project and kind that has a finding, or add to the open one.
    2. Begin what is new, touch what goes on, end what is over.
    3. Resolve the incidents in which nothing holds any more.
    """
    new: list[NewEvent] = []
    async with database.transaction() as connection:
        if seen.started:
            new += await _begin(connection, hub, seen.started)
            linked = await incidents.suppress_dependents(connection, dependencies)
            new += [incident_events.suppressed(hub, AGENT, one, seen.at) for one in linked]
        if seen.going_on:
            await anomalies.touch(connection, seen.going_on)
            await incidents.open_or_update(connection, _problems(seen.going_on))
        if seen.over:
            new += await _end(connection, hub, seen.over, seen.at)
        await events.append(connection, new)


async def _begin(connection: Connection, hub: str, started: Sequence[Finding]) -> list[NewEvent]:
    opened = await incidents.open_or_update(connection, _problems(started))
    incident_of = {(one.project, one.kind): one.id for one in opened}
    with_incident = [(one, incident_of[one.project, one.kind]) for one in started]
    begun = await anomalies.begin(connection, with_incident)
    await incidents.look_again(connection, sorted({project for project, _, _ in begun}))
    detected = [
        _detected(hub, finding, incident_id)
        for finding, incident_id in with_incident
        if finding.identity in begun
    ]
    return detected + [incident_events.opened(hub, AGENT, one) for one in opened if one.opened]


async def _end(
    connection: Connection, hub: str, over: Sequence[Identity], at: datetime
) -> list[NewEvent]:
    ended = await anomalies.end(connection, over, at)
    settled = await anomalies.settled(connection, sorted({(e.project, e.kind) for e in ended}))
    resolved = await incidents.resolve(
        connection,
        [
            Solved(project=project, kind=kind, at=at, resolution="back within its limits")
            for project, kind in settled
        ],
    )
    cleared = [_cleared(hub, one) for one in ended]
    return cleared + [incident_events.resolved(hub, AGENT, one) for one in resolved]


def _problems(findings: Sequence[Finding]) -> list[Problem]:
    """Return one problem per project and kind, told by its gravest finding."""
    gravest: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        known = gravest.get((finding.project, finding.kind))
        if known is None or _gravity(finding) > _gravity(known):
            gravest[finding.project, finding.kind] = finding
    return [
        Problem(
            project=finding.project,
            kind=finding.kind,
            severity=finding.severity,
            title=f"{finding.project}: {finding.reason}",
            at=finding.at,
        )
        for finding in gravest.values()
    ]


def _gravity(finding: Finding) -> tuple[int, bool]:
    return _WEIGHT[finding.severity], finding.detector == "threshold"


def _detected(hub: str, finding: Finding, incident_id: int) -> NewEvent:
    return NewEvent(
        occurred_at=finding.at,
        hub=hub,
        agent=AGENT,
        kind="AnomalyDetected",
        severity=finding.severity,
        project=finding.project,
        incident_id=incident_id,
        message=f"{finding.project}: {finding.reason}",
        details={
            "kind": finding.kind,
            "metric": finding.metric,
            "detector": finding.detector,
            "direction": finding.direction,
            "value": finding.value,
            "threshold": finding.threshold,
            "window_s": finding.time_window.total_seconds(),
            "reason": finding.reason,
        },
    )


def _cleared(hub: str, ended: Ended) -> NewEvent:
    how_long = incident_events.lasted(ended.started_at, ended.ended_at)
    return NewEvent(
        occurred_at=ended.ended_at,
        hub=hub,
        agent=AGENT,
        kind="AnomalyCleared",
        severity="info",
        project=ended.project,
        incident_id=ended.incident_id,
        message=f"{ended.project}: {ended.metric} is back within {ended.threshold:g}"
        f" after {how_long}, the worst was {ended.extreme:.4g}",
        details={
            "kind": ended.kind,
            "metric": ended.metric,
            "detector": ended.detector,
            "extreme": ended.extreme,
            "threshold": ended.threshold,
        },
    )
