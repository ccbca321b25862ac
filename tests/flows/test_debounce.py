"""A status changes at the second answer in a row that says so."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from config.projects_file import HealthPolicy
from data.records import HealthSample, HealthStatus
from flows.health.debounce import Standing, Verdict, judge

START = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = HealthPolicy(failure_threshold=2, success_threshold=3)
STATUSES: list[HealthStatus] = ["healthy", "degraded", "down", "unknown"]


def _run(start: HealthStatus, *answers: HealthStatus) -> list[Verdict]:
    standing = Standing(status=start, since=START)
    verdicts = []
    for second, status in enumerate(answers, 1):
        at = START + timedelta(seconds=second)
        verdict = judge(POLICY, standing, HealthSample(project="a", recorded_at=at, status=status))
        standing = verdict.standing
        verdicts.append(verdict)
    return verdicts


def test_one_failure_is_confirmed_before_it_counts() -> None:
    (verdict,) = _run("healthy", "down")
    assert (verdict.next_step, verdict.standing.status) == ("confirm", "healthy")


def test_the_second_failure_changes_the_status_since_the_first() -> None:
    verdict = _run("healthy", "down", "down")[-1]
    assert verdict.next_step == "changed"
    assert verdict.standing == Standing(status="down", since=START + timedelta(seconds=1))


def test_a_good_answer_in_between_starts_the_count_again() -> None:
    assert [v.next_step for v in _run("healthy", "down", "healthy", "down")] == [
        "confirm",
        "settled",
        "confirm",
    ]


def test_failures_of_different_kinds_count_together() -> None:
    verdict = _run("healthy", "degraded", "down")[-1]
    assert (verdict.next_step, verdict.standing.status) == ("changed", "down")


def test_better_and_worse_answers_do_not_count_together() -> None:
    steps = [verdict.next_step for verdict in _run("degraded", "healthy", "down", "healthy")]
    assert steps == ["confirm", "confirm", "confirm"]


def test_recovery_takes_its_own_threshold() -> None:
    assert [v.next_step for v in _run("down", "healthy", "healthy", "healthy")] == [
        "confirm",
        "confirm",
        "changed",
    ]


def test_the_first_healthy_answer_settles_an_unknown_project() -> None:
    assert _run("unknown", "healthy")[-1].standing.status == "healthy"


def test_a_project_that_is_down_from_the_start_is_confirmed_too() -> None:
    assert [v.next_step for v in _run("unknown", "down", "down")] == ["confirm", "changed"]


@given(st.sampled_from(STATUSES), st.lists(st.sampled_from(STATUSES), max_size=40))
def test_a_change_is_always_to_another_status_and_never_from_one_answer_alone(
    start: HealthStatus, answers: list[HealthStatus]
) -> None:
    before = start
    for verdict, answer in zip(_run(start, *answers), answers, strict=True):
        if verdict.next_step == "changed":
            assert verdict.standing.status != before
            assert verdict.standing.disagreeing == 0
        else:
            assert verdict.standing.status == before
            assert verdict.standing.disagreeing < 3
        if answer == verdict.standing.status:
            assert verdict.standing.disagreeing == 0
        before = verdict.standing.status
