"""How the life of an incident reads in the event log, whichever agent moved it."""

from datetime import datetime, timedelta

from config.durations import format_duration
from data.events import NewEvent
from data.incidents import Opened, Resolved, Suppressed


def opened(hub: str, agent: str, incident: Opened) -> NewEvent:
    return NewEvent(
        occurred_at=incident.opened_at,
        hub=hub,
        agent=agent,
        kind="IncidentOpened",
        severity=incident.severity,
        project=incident.project,
        incident_id=incident.id,
        message=f"incident {incident.id} opened: {incident.title}",
        details={"kind": incident.kind},
    )


def resolved(hub: str, agent: str, incident: Resolved) -> NewEvent:
    return NewEvent(
        occurred_at=incident.resolved_at,
        hub=hub,
        agent=agent,
        kind="IncidentResolved",
        severity="info",
        project=incident.project,
        incident_id=incident.id,
        message=f"incident {incident.id} resolved after"
        f" {lasted(incident.opened_at, incident.resolved_at)}: {incident.title}",
        details={"kind": incident.kind},
    )


def suppressed(hub: str, agent: str, incident: Suppressed, at: datetime) -> NewEvent:
    cause = (
        f"{incident.cause_project} is down"
        if incident.cause_project
        else "it is probably the hub's own network"
    )
    return NewEvent(
        occurred_at=at,
        hub=hub,
        agent=agent,
        kind="IncidentSuppressed",
        severity="info",
        project=incident.project,
        incident_id=incident.id,
        message=f"incident {incident.id} of {incident.project} is explained by incident"
        f" {incident.cause_id}: {cause}",
        details={"cause_incident_id": incident.cause_id},
    )


def lasted(start: datetime, end: datetime) -> str:
    """Return a stretch of time as people write it, to a tenth of a second."""
    return format_duration(timedelta(seconds=round(max(0.0, (end - start).total_seconds()), 1)))
