"""The one machine-readable account of a run: which faults there were, and what was noticed when."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from data.events import Event
from data.json_text import to_json
from hub.demo.healing_account import HealingAccount, healing_of, median_request_delay_s
from hub.fleet.members import TANGLED_KIND

NOTICED_LATE = timedelta(seconds=10)
"""A detection this long after a fault is over is still its own: its samples are in the window."""

_OWN_METRICS: Mapping[str, frozenset[str]] = {
    "leak": frozenset({"memory_percent"}),
    "spike": frozenset({"cpu_percent"}),
    "errors": frozenset({"error_rate_percent"}),
    "slow": frozenset({"response_ms"}),
}
_STATUS_EVENTS = frozenset({"ProjectDown", "ProjectDegraded"})
ALARMS = frozenset({"ProjectDown", "ProjectDegraded", "AnomalyDetected", "FleetUnreachable"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Injected:
    """A fault that was really injected, and when it was over; `touches` is where it shows."""

    kind: str
    project: str
    touches: frozenset[str]
    injected_at: datetime
    cleared_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultAccount:
    """A fault and the first event that noticed it; delays are from injection to the commit."""

    project: str
    kind: str
    injected_at: datetime
    cleared_at: datetime | None
    detected_at: datetime | None
    detection_delay_s: float | None
    event_id: int | None
    event_kind: str | None
    reason: str | None
    incident_id: int | None
    healing: HealingAccount

    @property
    def is_answered(self) -> bool:
        """Whether what should be done was: what no rule covers is given to a person."""
        wanted = "escalated" if self.kind == TANGLED_KIND else "healed"
        return self.healing.outcome == wanted or self.cleared_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What a run did. `errors` is empty, `undetected` and `unanswered` are 0 when all went well."""

    started_at: datetime
    seconds: float
    interrupted: bool
    probes: int
    scrapes: int
    flow_runs: int
    errors: list[str]
    undetected: int
    unanswered: int
    median_request_delay_s: float | None
    false_alarms: list[dict[str, Any]]
    messages: list[str]
    faults: list[FaultAccount]

    @property
    def is_good(self) -> bool:
        return not (self.errors or self.undetected or self.unanswered)


def account_of(
    *,
    started_at: datetime,
    seconds: float,
    interrupted: bool,
    probes: int,
    scrapes: int,
    flow_runs: int,
    faults: Sequence[Injected],
    events: Sequence[Event],
    errors: Sequence[str],
    messages: Sequence[str] = (),
) -> Account:
    """Match what was injected with what was noticed.

    1. A fault is detected by the first event of its own signature after its injection.
    2. It is answered by the actions on the projects in which it shows.
    3. An alarm on a project while one of its faults lasts belongs to that fault; every other
       alarm is a false one.
    """
    accounts = [_detected(fault, events) for fault in faults]
    failures = [event.message for event in events if event.kind == "AgentFailed"]
    false_alarms = [
        {"event_id": event.id, "kind": event.kind, "message": event.message}
        for event in events
        if event.kind in ALARMS and not any(_during(fault, event) for fault in faults)
    ]
    return Account(
        started_at=started_at,
        seconds=round(seconds, 1),
        interrupted=interrupted,
        probes=probes,
        scrapes=scrapes,
        flow_runs=flow_runs,
        errors=[*errors, *failures],
        undetected=sum(account.detected_at is None for account in accounts),
        unanswered=sum(not account.is_answered for account in accounts),
        median_request_delay_s=median_request_delay_s([account.healing for account in accounts]),
        false_alarms=false_alarms,
        messages=list(messages),
        faults=accounts,
    )


def as_json(account: Account) -> dict[str, Any]:
    """Return the account as what JSON is made of, instants in ISO 8601."""
    plain: dict[str, Any] = json.loads(to_json(asdict(account)))
    return plain


def _detected(fault: Injected, events: Sequence[Event]) -> FaultAccount:
    event = next((event for event in events if _is_signature(fault, event)), None)
    return FaultAccount(
        project=fault.project,
        kind=fault.kind,
        injected_at=fault.injected_at,
        cleared_at=fault.cleared_at,
        detected_at=event.recorded_at if event else None,
        detection_delay_s=(
            round((event.recorded_at - fault.injected_at).total_seconds(), 3) if event else None
        ),
        event_id=event.id if event else None,
        event_kind=event.kind if event else None,
        reason=event.message if event else None,
        incident_id=event.incident_id if event else None,
        healing=healing_of(
            fault.project, fault.touches, fault.injected_at, fault.cleared_at, events
        ),
    )


def _is_signature(fault: Injected, event: Event) -> bool:
    if event.project != fault.project or not _during(fault, event):
        return False
    if fault.kind == "crash":
        return event.kind == "ProjectDown"
    if event.kind in _STATUS_EVENTS:
        return fault.kind == "slow"
    if event.kind != "AnomalyDetected":
        return False
    metrics = _OWN_METRICS.get(fault.kind)
    return metrics is None or event.details.get("metric") in metrics


def _during(fault: Injected, event: Event) -> bool:
    if event.project not in fault.touches or event.recorded_at < fault.injected_at:
        return False
    return fault.cleared_at is None or event.recorded_at <= fault.cleared_at + NOTICED_LATE
