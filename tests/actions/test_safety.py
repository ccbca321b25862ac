"""Breaker, backoff, rate limit and blast radius: pure, from what became of attempts."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.safety.backoff import next_attempt_at
from actions.safety.blast_radius import most_projects, room
from actions.safety.breaker import Finished, breaker_state
from actions.safety.rate_limit import free_at
from config.healing import (
    BlastRadiusSettings,
    BreakerSettings,
    RateLimitSettings,
    RetrySettings,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
BREAKER = BreakerSettings(failures=3, within=timedelta(minutes=10), cooldown=timedelta(minutes=30))


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def finished(*outcomes: tuple[float, bool]) -> list[Finished]:
    return [
        Finished(project="a", action="restart", at=at(minutes), succeeded=succeeded)
        for minutes, succeeded in outcomes
    ]


def test_a_breaker_without_failures_is_closed() -> None:
    assert breaker_state([], BREAKER, START).state == "closed"


def test_a_breaker_opens_at_the_last_of_so_many_failures() -> None:
    breaker = breaker_state(finished((0, False), (1, False), (2, False)), BREAKER, at(3))
    assert (breaker.state, breaker.until) == ("open", at(32))


def test_failures_far_apart_leave_it_closed() -> None:
    apart = finished((0, False), (8, False), (16, False))
    assert breaker_state(apart, BREAKER, at(17)).state == "closed"


def test_a_success_in_between_counts_the_failures_anew() -> None:
    mixed = finished((0, False), (1, False), (2, True), (3, False))
    assert breaker_state(mixed, BREAKER, at(4)).state == "closed"


def test_after_the_cooldown_it_is_half_open() -> None:
    failures = finished((0, False), (1, False), (2, False))
    assert breaker_state(failures, BREAKER, at(32)).state == "half_open"


def test_one_failure_of_a_half_open_breaker_opens_it_anew() -> None:
    failures = finished((0, False), (1, False), (2, False), (40, False))
    breaker = breaker_state(failures, BREAKER, at(41))
    assert (breaker.state, breaker.until) == ("open", at(70))


def test_a_success_of_a_half_open_breaker_closes_it() -> None:
    healed = finished((0, False), (1, False), (2, False), (40, True))
    assert breaker_state(healed, BREAKER, at(41)).state == "closed"


@given(st.lists(st.tuples(st.floats(0, 500), st.booleans()), max_size=20), st.floats(0, 1000))
def test_a_breaker_that_is_open_says_when_it_lets_one_through(
    outcomes: list[tuple[float, bool]], now: float
) -> None:
    breaker = breaker_state(finished(*sorted(outcomes)), BREAKER, at(now))
    assert (breaker.state == "open") == (breaker.until is not None)
    if breaker.until is not None:
        assert breaker.until > at(now)


def test_the_wait_doubles_up_to_its_limit() -> None:
    retry = RetrySettings(
        max_attempts=10, wait_initial=timedelta(seconds=10), wait_max=timedelta(seconds=60)
    )
    waits = [next_attempt_at(retry, attempts, START) for attempts in range(1, 6)]
    assert [(when - START).total_seconds() for when in waits if when] == [10, 20, 40, 60, 60]


def test_there_is_no_attempt_after_the_last() -> None:
    assert next_attempt_at(RetrySettings(max_attempts=3), 3, START) is None


def test_no_attempt_is_no_retry() -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        next_attempt_at(RetrySettings(), 0, START)


def test_a_project_is_free_again_when_the_window_has_slid_past() -> None:
    limit = RateLimitSettings(actions=2, within=timedelta(minutes=10))
    assert free_at([at(0), at(4)], limit, at(5)) == at(10)
    assert free_at([at(0), at(4)], limit, at(10)) is None


def test_a_project_below_its_limit_is_free() -> None:
    assert free_at([at(0)], RateLimitSettings(actions=2), at(1)) is None


@pytest.mark.parametrize(("fleet", "most"), [(1, 2), (3, 2), (10, 3), (16, 4), (20, 5), (300, 5)])
def test_the_smaller_of_number_and_share_holds_but_two_projects(fleet: int, most: int) -> None:
    settings = BlastRadiusSettings(projects=5, percent=30)
    assert most_projects(fleet, settings) == most


def test_there_is_room_for_what_was_not_acted_on() -> None:
    settings = BlastRadiusSettings(projects=3, percent=100)
    assert room({"a", "b"}, 10, settings) == 1
    assert room({"a", "b", "c", "d"}, 10, settings) == 0
