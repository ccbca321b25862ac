"""The account of a run: which event noticed which fault, what was a false alarm."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from data.events import Event
from hub.demo.account import Account, Injected, account_of, as_json
from hub.fleet.members import KINDS
from tests.documents import keys_by_heading

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
OWN_METRIC = {
    "leak": "memory_percent",
    "spike": "cpu_percent",
    "errors": "error_rate_percent",
    "slow": "response_ms",
}
_numbers = count(1)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def fault(
    kind: str = "crash", project: str = "a", begin_s: float = 10, end_s: float | None = 20
) -> Injected:
    return Injected(
        kind=kind,
        project=project,
        touches=frozenset({project, "downstream"} if kind == "tangled" else {project}),
        injected_at=at(begin_s),
        cleared_at=None if end_s is None else at(end_s),
    )


def event(
    kind: str = "ProjectDown", project: str | None = "a", at_s: float = 10.5, **details: Any
) -> Event:
    """An event that is recorded 0.25 s after it occurred."""
    return Event(
        id=next(_numbers),
        occurred_at=at(at_s - 0.25),
        recorded_at=at(at_s),
        hub="h",
        agent="agent",
        kind=kind,
        severity="warning",
        project=project,
        incident_id=7,
        message=f"{project}: {kind}",
        details=details,
    )


def anomaly(metric: str, project: str = "a", at_s: float = 10.5) -> Event:
    return event("AnomalyDetected", project, at_s, metric=metric)


def account(*what: Injected | Event, **given: Any) -> Account:
    fields: dict[str, Any] = {
        "started_at": START,
        "seconds": 60.04,
        "interrupted": False,
        "probes": 60,
        "scrapes": 20,
        "flow_runs": 12,
        "errors": [],
    }
    return account_of(
        faults=[one for one in what if isinstance(one, Injected)],
        events=[one for one in what if isinstance(one, Event)],
        **{**fields, **given},
    )


def test_a_crash_is_noticed_by_the_outage_of_its_project() -> None:
    noticed = event()
    (crash,) = account(fault(), noticed).faults
    assert (crash.event_id, crash.event_kind, crash.incident_id) == (noticed.id, "ProjectDown", 7)
    assert crash.reason == "a: ProjectDown"


def test_the_delay_is_from_the_injection_to_the_commit() -> None:
    (crash,) = account(fault(begin_s=10), event(at_s=10.5)).faults
    assert crash.detected_at == at(10.5)
    assert crash.detection_delay_s == 0.5


def test_the_first_event_counts() -> None:
    (crash,) = account(fault(), event(at_s=11), event(at_s=12)).faults
    assert crash.detection_delay_s == 1


@pytest.mark.parametrize(("kind", "metric"), OWN_METRIC.items())
def test_a_fault_is_noticed_by_an_anomaly_of_its_own_metric(kind: str, metric: str) -> None:
    (found,) = account(fault(kind), anomaly(metric)).faults
    assert found.event_kind == "AnomalyDetected"


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"tangled"}))
def test_an_anomaly_of_another_metric_is_not_how_a_fault_is_noticed(kind: str) -> None:
    whole = account(fault(kind), anomaly("queue_depth"))
    assert whole.undetected == 1
    assert whole.false_alarms == []


def test_a_tangled_fault_is_noticed_by_any_anomaly_of_its_project() -> None:
    (found,) = account(fault("tangled"), anomaly("queue_depth")).faults
    assert found.detected_at


def test_a_slow_project_may_be_noticed_by_its_status() -> None:
    (found,) = account(fault("slow"), event("ProjectDegraded")).faults
    assert found.event_kind == "ProjectDegraded"


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"crash", "slow"}))
def test_an_outage_is_not_how_another_fault_is_noticed(kind: str) -> None:
    assert account(fault(kind), event("ProjectDown")).undetected == 1


def test_what_came_before_the_fault_did_not_notice_it() -> None:
    whole = account(fault(begin_s=10), event(at_s=9.9))
    assert whole.undetected == 1
    assert [alarm["kind"] for alarm in whole.false_alarms] == ["ProjectDown"]


def test_what_another_project_says_did_not_notice_it() -> None:
    whole = account(fault(project="a"), event(project="b"))
    assert whole.undetected == 1
    assert len(whole.false_alarms) == 1


def test_a_fault_may_be_noticed_shortly_after_it_is_over() -> None:
    assert account(fault("spike", end_s=20), anomaly("cpu_percent", at_s=29)).undetected == 0


def test_long_after_a_fault_is_over_an_alarm_is_a_false_one() -> None:
    whole = account(fault("spike", end_s=20), anomaly("cpu_percent", at_s=31))
    assert (whole.undetected, len(whole.false_alarms)) == (1, 1)


def test_a_fault_that_lasts_to_the_end_of_the_run_explains_every_later_alarm() -> None:
    whole = account(fault("spike", end_s=None), anomaly("cpu_percent", at_s=59))
    assert (whole.undetected, whole.false_alarms) == (0, [])


def test_the_trouble_of_a_dependent_belongs_to_the_tangled_fault() -> None:
    trouble = event("ProjectDegraded", "downstream")
    whole = account(fault("tangled"), anomaly("queue_depth"), trouble)
    assert whole.false_alarms == []


@pytest.mark.parametrize(
    "kind", ["ProjectDown", "ProjectDegraded", "AnomalyDetected", "FleetUnreachable"]
)
def test_an_alarm_without_a_fault_is_a_false_one(kind: str) -> None:
    alarm = event(kind)
    assert account(alarm).false_alarms == [
        {"event_id": alarm.id, "kind": kind, "message": f"a: {kind}"}
    ]


@pytest.mark.parametrize("kind", ["ProjectRecovered", "IncidentOpened", "HubStarted"])
def test_what_is_no_alarm_is_no_false_one(kind: str) -> None:
    assert account(event(kind)).false_alarms == []


def test_two_faults_of_a_kind_are_each_noticed_by_their_own_event() -> None:
    first, second = fault(begin_s=10, end_s=20), fault(begin_s=40, end_s=50)
    found = account(first, second, event(at_s=10.5), event(at_s=41)).faults
    assert [one.detection_delay_s for one in found] == [0.5, 1]


def test_an_agent_that_failed_is_an_error_of_the_run() -> None:
    whole = account(event("AgentFailed", None), errors=["the hub died 1 times"])
    assert whole.errors == ["the hub died 1 times", "None: AgentFailed"]
    assert not whole.is_good


def healed(at_s: float = 11) -> tuple[Event, Event]:
    step = {"purpose": "heal", "attempt_id": "1", "rule": "r", "rules_version": "v"}
    return (
        event("ActionRequested", at_s=at_s, action="restart", **step),
        event("ActionVerified", at_s=at_s + 1, action="restart", **step),
    )


def test_a_run_is_good_when_all_was_noticed_and_answered_and_nothing_failed() -> None:
    assert account(fault(), event(), *healed()).is_good
    assert account().is_good
    assert not account(fault()).is_good


def test_a_fault_that_nothing_healed_makes_a_run_bad() -> None:
    whole = account(fault(), event(), event("Escalated", at_s=12))
    assert (whole.unanswered, whole.is_good) == (1, False)


def test_what_no_rule_covers_is_answered_by_telling_a_person() -> None:
    whole = account(fault("tangled"), anomaly("queue_depth"), event("Escalated", at_s=12))
    assert (whole.unanswered, whole.is_good) == (0, True)


def test_a_false_alarm_does_not_make_a_run_bad() -> None:
    """On a busy machine a real anomaly may show that nobody injected."""
    assert account(event()).is_good


def test_an_interrupted_run_says_so_and_still_accounts_for_what_happened() -> None:
    whole = account(fault(end_s=None), event(), interrupted=True)
    assert (whole.interrupted, whole.undetected) == (True, 0)
    (crash,) = whole.faults
    assert crash.cleared_at is None


def test_as_json_it_has_the_documented_keys_and_iso_instants() -> None:
    documented = keys_by_heading("docs/json.md")
    written = as_json(account(fault(), fault("leak", end_s=None), event()))
    assert written.keys() == documented["opslore demo"]
    assert written["started_at"] == "2026-01-01T12:00:00+00:00"
    assert written["seconds"] == 60.0
    noticed, missed = written["faults"]
    assert noticed.keys() == missed.keys() == documented["opslore demo / each of its faults"]
    assert noticed["healing"].keys() == documented["opslore demo / its healing"]
    assert noticed["detected_at"] == "2026-01-01T12:00:10.500000+00:00"
    assert (missed["detected_at"], missed["event_id"], missed["cleared_at"]) == (None, None, None)
