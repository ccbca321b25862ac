"""What was done about an injected fault: decided by which rule, carried out, verified, and when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Literal

from data.events import Event

VERIFIED_LATE = timedelta(seconds=40)
"""A verification, a release or a call for help this long after a fault is over is still its own."""

Outcome = Literal["healed", "escalated", "not_healed"]
_STEPS = frozenset(
    {"ActionRequested", "ApprovalRequested", "ApprovalDecided", "ActionExecuted", "ActionVerified"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HealingAccount:
    """How a fault was answered. Delays are in seconds, from the commit of one event to the next.

    `decision_delay_s` goes from the event that opened the incident to the request, or to the
    request for approval where that came before; `request_delay_s` to the request itself.
    """

    outcome: Outcome
    rule: str | None = None
    rules_version: str | None = None
    action: str | None = None
    attempts: int = 0
    decision_delay_s: float | None = None
    approved_by: str | None = None
    approved_at: datetime | None = None
    requested_at: datetime | None = None
    request_delay_s: float | None = None
    executed_at: datetime | None = None
    verified_at: datetime | None = None
    verify_delay_s: float | None = None
    released_at: datetime | None = None
    escalated_at: datetime | None = None
    message: str | None = None


def healing_of(
    project: str,
    shows_in: frozenset[str],
    injected_at: datetime,
    cleared_at: datetime | None,
    events: Sequence[Event],
) -> HealingAccount:
    """Tell from the event log how a fault of a project, which may show in others, was answered.

    The attempt that was verified counts; where none was, the last one, or the call for a person.
    """
    own = [
        event
        for event in events
        if event.project in shows_in
        and event.recorded_at >= injected_at
        and (cleared_at is None or event.recorded_at <= cleared_at + VERIFIED_LATE)
    ]
    begun = [event for event in own if _is_heal(event) and _in_time(event, cleared_at)]
    calls = sorted(
        (event for event in own if event.kind == "Escalated"),
        key=lambda event: event.project != project,
    )
    escalated = next(iter(calls), None)
    verified = {
        event.details["attempt_id"]: event for event in own if event.kind == "ActionVerified"
    }
    if not begun:
        return HealingAccount(
            outcome="escalated" if escalated else "not_healed",
            escalated_at=escalated.recorded_at if escalated else None,
            message=escalated.message if escalated else None,
        )
    chosen = next((one for one in begun if one.details["attempt_id"] in verified), begun[-1])
    return _account(chosen, begun, own, escalated)


def median_request_delay_s(accounts: Sequence[HealingAccount]) -> float | None:
    """Return the usual time from an incident's event to the request, where nobody approves."""
    delays = [
        account.request_delay_s
        for account in accounts
        if account.request_delay_s is not None and account.approved_at is None
    ]
    return round(median(delays), 3) if delays else None


def _account(
    chosen: Event, begun: Sequence[Event], own: Sequence[Event], escalated: Event | None
) -> HealingAccount:
    steps = {
        event.kind: event
        for event in own
        if event.kind in _STEPS and event.details.get("attempt_id") == chosen.details["attempt_id"]
    }
    told = next(event for event in own if event.incident_id == chosen.incident_id)
    asked, approved = steps.get("ApprovalRequested"), steps.get("ApprovalDecided")
    executed, verified = steps.get("ActionExecuted"), steps.get("ActionVerified")
    released = next((event for event in own if _releases(event, chosen)), None)
    failed = verified is None
    return HealingAccount(
        outcome="healed" if verified else "escalated" if escalated else "not_healed",
        rule=chosen.details["rule"],
        rules_version=chosen.details["rules_version"],
        action=chosen.details["action"],
        attempts=sum(event.incident_id == chosen.incident_id for event in begun),
        decision_delay_s=_seconds(told, asked or chosen),
        approved_by=approved.details.get("by") if approved else None,
        approved_at=approved.recorded_at if approved else None,
        requested_at=chosen.recorded_at,
        request_delay_s=_seconds(told, chosen),
        executed_at=executed.recorded_at if executed else None,
        verified_at=verified.recorded_at if verified else None,
        verify_delay_s=_seconds(executed, verified) if executed and verified else None,
        released_at=released.recorded_at if released else None,
        escalated_at=escalated.recorded_at if escalated and failed else None,
        message=(verified or (escalated if failed else None) or chosen).message,
    )


def _is_heal(event: Event) -> bool:
    return event.kind == "ActionRequested" and event.details.get("purpose") == "heal"


def _in_time(event: Event, cleared_at: datetime | None) -> bool:
    """Tell whether an action began while the fault lasted; its own effect ends the fault."""
    return cleared_at is None or event.recorded_at <= cleared_at


def _releases(event: Event, chosen: Event) -> bool:
    return (
        event.kind == "ActionExecuted"
        and event.details.get("purpose") == "release"
        and event.incident_id == chosen.incident_id
    )


def _seconds(start: Event, end: Event) -> float:
    return round((end.recorded_at - start.recorded_at).total_seconds(), 3)
