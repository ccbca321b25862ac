"""Record settled status changes: the guarded move, its events and its incidents, all or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from data import events, incidents, projects
from data.database import Connection, Database
from data.events import EventKind, NewEvent
from data.incidents import Problem, Solved
from data.records import HealthSample, HealthStatus, Severity
from data.states import DEGRADED, DOWN
from flows import incident_events

AGENT = "health-monitor"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChange:
    """A project's settled status moved; `since` is when the new one began."""

    project: str
    from_status: HealthStatus
    to_status: HealthStatus
    was_since: datetime
    since: datetime
    sample: HealthSample


async def record(
    database: Database, hub: str, changes: Sequence[StatusChange], *, network_suspected: bool
) -> set[str]:
    """Record changes and return the projects whose change was made here.

    1. Move each status where it still is what this hub believes; another hub may have won.
    2. Open an incident for what is down or degraded, resolve those of what recovered.
    3. Link incidents that an outage upstream, or the hub's own network, explains.
    4. Append the events, in that order.
    """
    dependencies = await projects.dependencies(database)
    async with database.transaction() as connection:
        moved = await projects.move_statuses(
            connection,
            [
                projects.Move(
                    project=change.project,
                    from_status=change.from_status,
                    to_status=change.to_status,
                    occurred_at=change.since,
                    detail=change.sample.detail,
                )
                for change in changes
            ],
        )
        made = [change for change in changes if change.project in moved]
        if made:
            suppressible = [change.project for change in made] if network_suspected else []
            await _record_consequences(connection, hub, made, dependencies, suppressible)
    return moved


async def _record_consequences(
    connection: Connection,
    hub: str,
    made: Sequence[StatusChange],
    dependencies: dict[str, tuple[str, ...]],
    by_fleet: Sequence[str],
) -> None:
    unwell = [change for change in made if change.to_status in {"down", "degraded"}]
    opened = await incidents.open_or_update(connection, [_problem(change) for change in unwell])
    resolved = await incidents.resolve(connection, [one for c in made for one in _solved(c)])
    at = max(change.since for change in made)
    suppressed = await incidents.suppress_by_fleet(connection, hub, by_fleet, at)
    suppressed += await incidents.suppress_dependents(connection, dependencies)
    incident_of = {one.project: one.id for one in resolved} | {
        one.project: one.id for one in opened
    }
    new = [
        event
        for change in made
        if (event := _status_event(hub, change, incident_of.get(change.project))) is not None
    ]
    new += [incident_events.opened(hub, AGENT, one) for one in opened if one.opened]
    new += [incident_events.suppressed(hub, AGENT, one, at) for one in suppressed]
    new += [incident_events.resolved(hub, AGENT, one) for one in resolved]
    await events.append(connection, new)


def _problem(change: StatusChange) -> Problem:
    return Problem(
        project=change.project,
        kind=DOWN if change.to_status == "down" else DEGRADED,
        severity=_severity(change),
        title=_sentence(change),
        at=change.since,
    )


def _solved(change: StatusChange) -> list[Solved]:
    """Return the incidents that a change ends: an outage that became degraded is over too."""
    ended = {"healthy": (DOWN, DEGRADED), "degraded": (DOWN,), "down": (DEGRADED,)}
    resolution = {
        "healthy": "healthy again",
        "degraded": "answers again, degraded",
        "down": "went down",
    }
    return [
        Solved(
            project=change.project,
            kind=kind,
            at=change.since,
            resolution=resolution[change.to_status],
        )
        for kind in ended.get(change.to_status, ())
    ]


def _status_event(hub: str, change: StatusChange, incident_id: int | None) -> NewEvent | None:
    kinds: dict[HealthStatus, EventKind] = {
        "down": "ProjectDown",
        "degraded": "ProjectDegraded",
        "healthy": "ProjectRecovered",
    }
    kind = kinds.get(change.to_status)
    first_seen = change.from_status == "unknown" and change.to_status == "healthy"
    if kind is None or first_seen:
        return None
    return NewEvent(
        occurred_at=change.since,
        hub=hub,
        agent=AGENT,
        kind=kind,
        severity=_severity(change),
        project=change.project,
        incident_id=incident_id,
        message=_sentence(change),
        details={
            "from": change.from_status,
            "to": change.to_status,
            "lasted_s": (change.since - change.was_since).total_seconds(),
            "http_status": change.sample.http_status,
            "response_ms": change.sample.response_ms,
            "detail": change.sample.detail,
        },
    )


def _severity(change: StatusChange) -> Severity:
    match change.to_status:
        case "down":
            return "critical"
        case "degraded":
            return "warning"
        case _:
            return "info"


def _sentence(change: StatusChange) -> str:
    detail = f": {change.sample.detail}" if change.sample.detail else ""
    if change.to_status == "healthy":
        lasted = incident_events.lasted(change.was_since, change.since)
        return f"{change.project} recovered after {lasted}"
    return f"{change.project} is {change.to_status}{detail}"
