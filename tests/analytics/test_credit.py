"""Whether an action helps: like moments are compared, and too little is called too little."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.analytics.credit import Carried, Case, Credit, credit
from data.analytics.proportions import newcombe, wilson

NOW = datetime(2026, 5, 1, tzinfo=UTC)
OPENED = NOW - timedelta(days=1)
WITHIN = timedelta(seconds=300)

proportions = st.integers(1, 400).flatmap(
    lambda trials: st.tuples(st.integers(0, trials), st.just(trials))
)


def _case(recovered_s: float | None, *carried: tuple[str, float], by_hand: bool = False) -> Case:
    return Case(
        kind="down",
        opened_at=OPENED,
        recovered_at=None if recovered_s is None else OPENED + timedelta(seconds=recovered_s),
        seen_until=NOW,
        carried=tuple(
            Carried(action=action, at=OPENED + timedelta(seconds=at_s), by_hand=by_hand)
            for action, at_s in carried
        ),
    )


def _credit(*cases: Case, least: int = 1) -> Credit:
    (found,) = credit(cases, within=WITHIN, least=least)
    return found


def _counts(found: Credit) -> tuple[tuple[int, int], tuple[int, int]]:
    return (
        (found.with_action.recovered, found.with_action.cases),
        (found.without.recovered, found.without.cases),
    )


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_the_interval_of_a_difference_is_that_of_the_paper(
    first: tuple[int, int], second: tuple[int, int], low: float, high: float
) -> None:
    """Newcombe 1998, table II, method 10."""
    interval = newcombe(first, second)
    assert interval.low == pytest.approx(low, abs=5e-5)
    assert interval.high == pytest.approx(high, abs=5e-5)


def test_the_interval_of_a_proportion_is_wilsons() -> None:
    """Newcombe 1998 (two-sided intervals for the single proportion), table I, method 3."""
    interval = wilson(81, 263)
    assert interval.low == pytest.approx(0.2553, abs=5e-5)
    assert interval.high == pytest.approx(0.3662, abs=5e-5)


@given(proportions)
def test_a_proportion_is_within_its_interval(counts: tuple[int, int]) -> None:
    interval = wilson(*counts)
    assert 0 <= interval.low <= counts[0] / counts[1] <= interval.high <= 1


@given(proportions, proportions)
def test_a_difference_is_within_its_interval(
    first: tuple[int, int], second: tuple[int, int]
) -> None:
    interval = newcombe(first, second)
    difference = first[0] / first[1] - second[0] / second[1]
    assert -1 <= interval.low <= difference + 1e-12
    assert difference - 1e-12 <= interval.high <= 1


@given(proportions, proportions, st.integers(2, 9))
def test_more_cases_of_the_same_shares_say_it_more_precisely(
    first: tuple[int, int], second: tuple[int, int], times: int
) -> None:
    few = newcombe(first, second)
    many = newcombe((first[0] * times, first[1] * times), (second[0] * times, second[1] * times))
    assert many.high - many.low <= few.high - few.low + 1e-12


@given(proportions, proportions)
def test_the_other_way_round_the_interval_is_mirrored(
    first: tuple[int, int], second: tuple[int, int]
) -> None:
    there, back = newcombe(first, second), newcombe(second, first)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))


def test_no_trials_have_no_difference() -> None:
    with pytest.raises(ValueError, match="without trials"):
        newcombe((0, 0), (1, 2))


def test_recovery_counts_from_the_action_on() -> None:
    """Acted on after 60 s: 359 s is within five minutes of it, 361 s is not."""
    found = _credit(_case(359, ("restart", 60)), _case(361, ("restart", 60)), _case(90))
    assert _counts(found) == ((1, 2), (1, 1))


def test_what_recovers_before_an_action_could_come_is_no_comparison() -> None:
    """The landmark is 60 s: only the incidents of 90 s and of 900 s were still open then."""
    found = _credit(_case(70, ("restart", 60)), _case(20), _case(59), _case(90), _case(900))
    assert found.landmark == timedelta(seconds=60)
    assert _counts(found) == ((1, 1), (1, 2))


def test_the_landmark_is_the_median_delay_of_the_action() -> None:
    delays = (10, 30, 500)
    found = _credit(*(_case(None, ("restart", delay)) for delay in delays))
    assert found.landmark == timedelta(seconds=30)


def test_the_same_action_again_is_the_same_action() -> None:
    found = _credit(_case(200, ("restart", 60), ("restart", 150)))
    assert _counts(found)[0] == (1, 1)


def test_an_action_has_no_part_in_what_another_one_after_it_did() -> None:
    found = _credit(_case(200, ("restart", 60), ("rollback", 150)))
    assert (found.action, _counts(found)[0]) == ("restart", (0, 1))


def test_what_a_person_acted_on_is_on_neither_side() -> None:
    """By hand only, by hand after the restart, and the restart alone."""
    mixed = Case(
        kind="down",
        opened_at=OPENED,
        recovered_at=OPENED + timedelta(seconds=200),
        seen_until=NOW,
        carried=(
            Carried(action="restart", at=OPENED + timedelta(seconds=60)),
            Carried(action="deploy", at=OPENED + timedelta(seconds=100), by_hand=True),
        ),
    )
    alone = _case(80, ("restart", 60))
    found = _credit(_case(200, ("restart", 60), by_hand=True), mixed, alone)
    assert _counts(found) == ((1, 1), (0, 0))


def test_a_later_action_leaves_an_incident_what_it_was_until_then() -> None:
    """Untouched for five minutes after the landmark of 60 s, and acted on only then."""
    found = _credit(_case(100, ("restart", 60)), _case(900, ("restart", 60)), _case(None))
    later = _credit(
        _case(100, ("restart", 60)), _case(900, ("restart", 60)), _case(None, ("restart", 400))
    )
    assert _counts(found) == ((1, 2), (0, 1))
    assert _counts(later) == ((1, 3), (0, 1))


def test_what_was_not_watched_long_enough_is_not_known() -> None:
    just_now = Case(
        kind="down", opened_at=NOW - timedelta(seconds=90), recovered_at=None, seen_until=NOW
    )
    found = _credit(_case(100, ("restart", 60)), just_now)
    assert _counts(found) == ((1, 1), (0, 0))
    assert found.difference is None
    assert found.verdict == "not_enough_evidence"


def test_four_cases_are_not_enough_evidence() -> None:
    acted = [_case(70, ("restart", 60))] * 5
    assert _credit(*acted, *[_case(None)] * 4, least=5).verdict == "not_enough_evidence"
    assert _credit(*acted, *[_case(None)] * 5, least=5).verdict == "helps"


def test_an_action_that_keeps_incidents_open_harms() -> None:
    acted = [_case(None, ("restart", 60))] * 8
    assert _credit(*acted, *[_case(90)] * 8).verdict == "harms"


def test_equal_shares_are_unclear() -> None:
    acted = [_case(70, ("restart", 60)), _case(None, ("restart", 60))] * 4
    assert _credit(*acted, *[_case(90), _case(None)] * 4).verdict == "unclear"


def test_kinds_and_actions_are_judged_each_for_itself() -> None:
    other = Case(
        kind="memory",
        opened_at=OPENED,
        recovered_at=None,
        seen_until=NOW,
        carried=(Carried(action="restart", at=OPENED),),
    )
    found = credit(
        [_case(70, ("restart", 60)), _case(70, ("clear_cache", 60)), other], within=WITHIN
    )
    assert [(one.kind, one.action) for one in found] == [
        ("down", "clear_cache"),
        ("down", "restart"),
        ("memory", "restart"),
    ]
