"""Stated confidence is mapped as far as outcomes allow, and never turned upside down."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasoning.confidence.calibration import (
    Isotonic,
    Judged,
    Platt,
    Raw,
    calibrate,
    fit_isotonic,
    fit_platt,
    shown,
)
from reasoning.confidence.scores import brier

ratios = st.floats(0, 1)
judgements = st.lists(
    st.builds(Judged, ratios, st.sampled_from([0.0, 0.5, 1.0])), min_size=1, max_size=80
)


def _sigmoid(score: float) -> float:
    return 1 / (1 + math.exp(-score))


def _drawn(count: int, seed: int = 1, slope: float = 0.5, offset: float = -0.4) -> list[Judged]:
    """Outcomes of which the log-odds are `slope` times those stated plus `offset`."""
    chance = random.Random(seed)
    found = []
    for _ in range(count):
        score = chance.gauss(1.5, 1.2)
        right = chance.random() < _sigmoid(slope * score + offset)
        found.append(Judged(_sigmoid(score), float(right)))
    return found


def _stepped(count: int) -> list[Judged]:
    """Outcomes that jump from seldom to nearly always at 0.7 stated, which no Platt map follows."""
    chance = random.Random(2)
    stated = [chance.uniform(0.05, 0.95) for _ in range(count)]
    return [
        Judged(one, float(chance.random() < (0.95 if one > 0.7 else 0.3 if one > 0.3 else 0.25)))
        for one in stated
    ]


def test_below_thirty_outcomes_confidence_is_shown_as_stated() -> None:
    calibration = calibrate(_drawn(29))
    assert (calibration.map, calibration.why) == (Raw(), "too_few_outcomes")
    assert shown(calibration.map, 0.83) == 0.83


def test_from_thirty_outcomes_on_it_is_platt() -> None:
    calibration = calibrate(_drawn(30))
    assert isinstance(calibration.map, Platt)
    assert calibration.why == "enough_outcomes"


def test_few_outcomes_bend_it_less_than_many() -> None:
    def bent(count: int) -> float:
        return abs(shown(fit_platt(_drawn(count)), 0.95) - 0.95)

    assert bent(30) < bent(3000)


def test_without_outcomes_the_map_is_the_identity() -> None:
    assert fit_platt([]) == Platt(1.0, 0.0)


def test_many_outcomes_show_the_true_map() -> None:
    found = fit_platt(_drawn(20_000))
    assert found.slope == pytest.approx(0.5, abs=0.03)
    assert found.offset == pytest.approx(-0.4, abs=0.06)


def test_the_fit_is_where_the_penalised_likelihood_is_level() -> None:
    judged, ridge = _drawn(200), 4.0
    found = fit_platt(judged, ridge)
    odds = [math.log(one.stated / (1 - one.stated)) for one in judged]
    errors = [
        _sigmoid(found.slope * score + found.offset) - one.right
        for score, one in zip(odds, judged, strict=True)
    ]
    by_slope = sum(error * score for error, score in zip(errors, odds, strict=True))
    assert by_slope + ridge * (found.slope - 1) == pytest.approx(0, abs=1e-4)
    assert sum(errors) + ridge * found.offset == pytest.approx(0, abs=1e-4)


def test_confidence_that_says_the_opposite_is_shown_as_one_figure() -> None:
    found = fit_platt([Judged(0.9, 0.0), Judged(0.1, 1.0)] * 100)
    assert found.slope == 0
    assert shown(found, 0.1) == shown(found, 0.9) == pytest.approx(0.5, abs=0.01)


def test_mapped_confidence_scores_better_than_stated_on_what_comes_next() -> None:
    map_ = calibrate(_drawn(300)).map
    coming = _drawn(3000, seed=9)
    mapped = [Judged(shown(map_, one.stated), one.right) for one in coming]
    before, now = brier(coming).value, brier(mapped).value
    assert before is not None
    assert now is not None
    assert now < before - 0.02


def test_isotonic_wins_where_outcomes_jump_and_there_are_many() -> None:
    calibration = calibrate(_stepped(3000))
    assert isinstance(calibration.map, Isotonic)
    assert calibration.why == "wins_held_out"
    assert isinstance(calibrate(_stepped(1000)).map, Platt)


@pytest.mark.parametrize("seed", range(5))
def test_isotonic_does_not_win_where_platt_is_the_truth(seed: int) -> None:
    assert isinstance(calibrate(_drawn(2000, seed)).map, Platt)


def test_adjacent_violators_are_pooled() -> None:
    rights = [0.0, 1.0, 0.0, 1.0, 1.0]
    found = fit_isotonic([Judged(n / 10, right) for n, right in enumerate(rights)])
    assert found.stated == pytest.approx((0.0, 0.15, 0.35))
    assert found.right == pytest.approx((0.005, 0.5, 0.995))


@given(judgements, ratios, ratios)
def test_no_map_ever_falls_nor_leaves_0_to_1(
    judged: list[Judged], one: float, other: float
) -> None:
    low, high = min(one, other), max(one, other)
    for map_ in (Raw(), fit_platt(judged), fit_isotonic(judged)):
        assert 0 <= shown(map_, low) <= shown(map_, high) + 1e-12 <= 1 + 1e-12


@given(judgements)
def test_the_pooled_map_keeps_the_mean(judged: list[Judged]) -> None:
    """At the points of the data, but for what is cut off at the ends."""
    found = fit_isotonic(judged)
    assert list(found.right) == sorted(found.right)
    overall = sum(one.right for one in judged) / len(judged)
    assert found.right[0] - 0.005 <= overall <= found.right[-1] + 0.005


@pytest.mark.parametrize("stated", [-0.1, 1.1, math.nan])
def test_a_confidence_that_cannot_be_is_refused(stated: float) -> None:
    with pytest.raises(ValueError, match="confidence must be from 0 to 1"):
        shown(Raw(), stated)


def test_a_map_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="without outcomes"):
        fit_isotonic([])
