"""How a fault was answered, told from the event log alone."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from data.events import Event
from hub.demo.healing_account import HealingAccount, healing_of, median_request_delay_s

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
ATTEMPT: dict[str, Any] = {
    "attempt_id": "1",
    "rule": "down",
    "rules_version": "abc",
    "action": "restart",
}
_numbers = count(1)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def event(
    kind: str, at_s: float, incident_id: int = 7, project: str = "a", **details: Any
) -> Event:
    return Event(
        id=next(_numbers),
        occurred_at=at(at_s),
        recorded_at=at(at_s),
        hub="h",
        agent="agent",
        kind=kind,
        severity="warning",
        project=project,
        incident_id=incident_id,
        message=f"{kind} of {project}",
        details=details,
    )


def step(kind: str, at_s: float, **details: Any) -> Event:
    return event(kind, at_s, **{"purpose": "heal", **ATTEMPT, **details})


def healing(*events: Event, cleared_s: float | None = 20) -> HealingAccount:
    cleared_at = None if cleared_s is None else at(cleared_s)
    return healing_of("a", frozenset({"a", "b"}), at(10), cleared_at, events)


HEALED = (
    event("ProjectDown", 10.5),
    step("ActionRequested", 10.6),
    step("ActionExecuted", 11.6),
    step("ActionVerified", 15.6),
)


def test_what_was_verified_is_healed_with_its_rule_and_delays() -> None:
    account = healing(*HEALED)
    assert (account.outcome, account.rule, account.rules_version) == ("healed", "down", "abc")
    assert (account.action, account.attempts) == ("restart", 1)
    assert (account.decision_delay_s, account.request_delay_s) == (0.1, 0.1)
    assert (account.verified_at, account.verify_delay_s) == (at(15.6), 4)


def test_what_was_carried_out_and_did_not_help_is_not_healed() -> None:
    assert healing(*HEALED[:3]).outcome == "not_healed"


def test_an_action_that_began_after_the_fault_was_over_did_not_heal_it() -> None:
    assert healing(*HEALED, cleared_s=10.55).outcome == "not_healed"


def test_what_no_rule_covers_is_escalated_with_its_message() -> None:
    account = healing(event("AnomalyDetected", 11), event("Escalated", 14))
    assert (account.outcome, account.message) == ("escalated", "Escalated of a")
    assert account.escalated_at == at(14)


def test_of_several_calls_that_of_the_project_itself_is_told() -> None:
    account = healing(event("Escalated", 12, 8, "b"), event("Escalated", 13))
    assert account.message == "Escalated of a"


def test_what_nobody_answered_is_not_healed() -> None:
    assert healing(event("ProjectDown", 10.5)).outcome == "not_healed"


def test_the_attempt_that_helped_counts_and_those_before_it_are_counted() -> None:
    account = healing(
        *HEALED[:3],
        step("ActionRequested", 16, attempt_id="2"),
        step("ActionVerified", 18, attempt_id="2"),
    )
    assert (account.outcome, account.attempts, account.requested_at) == ("healed", 2, at(16))


def test_the_decision_is_counted_to_the_request_for_approval() -> None:
    account = healing(
        event("AnomalyDetected", 10.5),
        step("ApprovalRequested", 10.7),
        event("ApprovalDecided", 12, by="ann", **ATTEMPT),
        step("ActionRequested", 12.1),
        step("ActionVerified", 15),
    )
    assert (account.decision_delay_s, account.request_delay_s) == (0.2, 1.6)
    assert (account.approved_by, account.approved_at) == ("ann", at(12))


def test_a_release_is_told() -> None:
    released = event("ActionExecuted", 40, **{**ATTEMPT, "purpose": "release", "attempt_id": "2"})
    assert healing(*HEALED, released).released_at == at(40)


def test_what_waited_for_a_person_is_not_in_the_median() -> None:
    quick = healing(*HEALED)
    approved = healing(
        HEALED[0], event("ApprovalDecided", 12, by="ann", **ATTEMPT), step("ActionRequested", 12.1)
    )
    assert median_request_delay_s([quick, approved]) == 0.1
    assert median_request_delay_s([approved]) is None
