"""When most of the fleet falls silent at once, the hub suspects its own network."""

from datetime import UTC, datetime, timedelta

from data.records import HealthSample
from flows.health.network_suspicion import NetworkSuspicion

START = datetime(2026, 1, 1, tzinfo=UTC)


def _suspicion() -> NetworkSuspicion:
    return NetworkSuspicion(ratio=0.6, minimum=3, within=timedelta(seconds=15))


def _silent(project: int, second: float = 0) -> HealthSample:
    at = START + timedelta(seconds=second)
    return HealthSample(project=f"p{project}", recorded_at=at, status="down", detail="refused")


def _answers(project: int, http_status: int = 200) -> HealthSample:
    status = "healthy" if http_status < 500 else "down"
    return HealthSample(
        project=f"p{project}",
        recorded_at=START,
        status=status,  # type: ignore[arg-type]
        http_status=http_status,
    )


def test_most_of_ten_at_once_is_suspicious() -> None:
    suspicion = _suspicion()
    for number in range(10):
        suspicion.note(_silent(number) if number < 6 else _answers(number))
    outcome = suspicion.decide(10)
    assert outcome.change == "suspected"
    assert len(outcome.failing) == 6
    assert outcome.since == START


def test_it_is_told_once() -> None:
    suspicion = _suspicion()
    for number in range(3):
        suspicion.note(_silent(number))
    assert [suspicion.decide(3).change for _ in range(2)] == ["suspected", "none"]


def test_two_of_three_is_not_the_network() -> None:
    suspicion = _suspicion()
    for sample in (_silent(0), _silent(1), _answers(2)):
        suspicion.note(sample)
    assert suspicion.decide(10).change == "none"


def test_http_errors_of_all_prove_that_the_network_works() -> None:
    suspicion = _suspicion()
    for number in range(10):
        suspicion.note(_answers(number, 503))
    assert suspicion.decide(10).change == "none"


def test_outages_that_came_one_after_another_are_not_the_network() -> None:
    suspicion = _suspicion()
    for number in range(10):
        suspicion.note(_silent(number, second=60 * number))
    assert suspicion.decide(10).change == "none"


def test_the_suspicion_lasts_until_most_answer_again() -> None:
    suspicion = _suspicion()
    for number in range(10):
        suspicion.note(_silent(number))
    suspicion.decide(10)
    for number in range(4):
        suspicion.note(_answers(number))
    assert suspicion.decide(10).change == "none"
    suspicion.note(_answers(4))
    assert suspicion.decide(10).change == "dispelled"


def test_projects_that_are_no_longer_ours_do_not_count() -> None:
    suspicion = _suspicion()
    for number in range(3):
        suspicion.note(_silent(number))
    suspicion.forget(frozenset({"p0", "p1"}))
    assert suspicion.decide(10).change == "none"


def test_a_hub_that_has_just_started_dispels_nothing_before_most_have_answered() -> None:
    suspicion = _suspicion()
    suspicion.suspected = True
    for number in range(4):
        suspicion.note(_answers(number))
    assert suspicion.decide(10).change == "none"
    suspicion.note(_answers(4))
    assert suspicion.decide(10).change == "dispelled"
