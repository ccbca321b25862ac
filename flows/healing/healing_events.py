"""How what is done about an incident reads in the event log."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from data.attempts import Attempt
from data.circumstances import IncidentNow
from data.events import EventKind, NewEvent
from data.records import Severity

AGENT = "responder"


def of_attempt(
    hub: str,
    kind: EventKind,
    attempt: Attempt,
    message: str,
    *,
    severity: Severity = "info",
    at: datetime | None = None,
) -> NewEvent:
    """Return an event about an attempt; `message` goes on after its action and project."""
    retry = f" (attempt {attempt.number})" if attempt.number > 1 else ""
    dry = "dry run: " if attempt.dry_run else ""
    return NewEvent(
        occurred_at=at or datetime.now(UTC),
        hub=hub,
        agent=AGENT,
        kind=kind,
        severity=severity,
        project=attempt.project,
        incident_id=attempt.incident_id,
        message=f"{dry}{attempt.action} {attempt.project}{retry} {message}",
        details={
            "attempt_id": str(attempt.id),
            "action": attempt.action,
            "number": attempt.number,
            "purpose": attempt.purpose,
            "rule": attempt.rule,
            "rules_version": attempt.rules_version,
            "state": attempt.state,
            "outcome": attempt.outcome,
            "dry_run": attempt.dry_run,
        },
    )


def of_incident(
    hub: str,
    kind: EventKind,
    incident: IncidentNow,
    message: str,
    *,
    severity: Severity = "info",
    details: Mapping[str, Any] | None = None,
) -> NewEvent:
    """Return an event about an incident as a whole."""
    return NewEvent(
        occurred_at=datetime.now(UTC),
        hub=hub,
        agent=AGENT,
        kind=kind,
        severity=severity,
        project=incident.project,
        incident_id=incident.id,
        message=message,
        details=details or {},
    )
