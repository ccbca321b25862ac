"""The scores are those of the field, their parts sum, and few outcomes give no figure."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasoning.confidence.calibration import Judged
from reasoning.confidence.scores import (
    Measured,
    Stretch,
    accuracy_over_time,
    brier,
    expected_calibration_error,
    murphy,
    reliability_bins,
)

T = TypeVar("T")
START = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)

judgements = st.lists(
    st.builds(Judged, st.floats(0, 1), st.sampled_from([0.0, 0.5, 1.0])), min_size=1, max_size=200
)


def _many(stated: float, right: int, wrong: int) -> list[Judged]:
    return [Judged(stated, 1.0)] * right + [Judged(stated, 0.0)] * wrong


def _value(measured: Measured[T]) -> T:
    assert measured.value is not None
    return measured.value


@pytest.mark.parametrize("figure", [brier, murphy, expected_calibration_error, reliability_bins])
def test_few_outcomes_give_a_reason_and_no_figure(
    figure: Callable[[list[Judged]], Measured[Any]],
) -> None:
    silent = figure(_many(0.9, 20, 9))
    assert (silent.value, silent.reason) == (None, "too_few_outcomes")
    assert (silent.count, silent.needed) == (29, 30)
    assert figure(_many(0.9, 20, 10)).reason == "enough_outcomes"


def test_no_outcomes_give_no_figure_even_where_none_are_asked_for() -> None:
    assert brier([], least=0).value is None


def test_the_brier_score_is_the_mean_squared_error() -> None:
    assert _value(brier(_many(0.8, 30, 10))) == pytest.approx((30 * 0.04 + 10 * 0.64) / 40)


def test_the_parts_are_those_of_murphy_where_confidence_is_equal_in_a_bin() -> None:
    parts = _value(murphy(_many(0.9, 30, 10) + _many(0.2, 5, 35)))
    assert parts.reliability == pytest.approx((0.15**2 + 0.075**2) / 2)
    assert parts.resolution == pytest.approx(0.3125**2)
    assert parts.uncertainty == pytest.approx(0.4375 * 0.5625)
    assert parts.within_variance == pytest.approx(0)
    assert parts.within_covariance == pytest.approx(0)


@given(judgements)
def test_the_parts_sum_to_the_score(judged: list[Judged]) -> None:
    assert _value(murphy(judged, 1)).brier == pytest.approx(_value(brier(judged, 1)), abs=1e-12)


@given(judgements)
def test_no_part_but_the_covariance_is_negative(judged: list[Judged]) -> None:
    parts = _value(murphy(judged, 1))
    floor = -1e-12
    assert parts.reliability >= floor
    assert parts.within_variance >= floor
    assert floor <= parts.resolution <= parts.uncertainty + 1e-12 <= 0.25 + 2e-12


@given(judgements)
def test_every_outcome_is_in_one_bin_with_its_equals(judged: list[Judged]) -> None:
    bins = _value(reliability_bins(judged, 1))
    assert sum(one.count for one in bins) == len(judged)
    assert len(bins) == 1 or min(one.count for one in bins) >= 10
    assert [one.stated for one in bins] == sorted({one.stated for one in bins})
    for one in bins:
        assert 0 <= one.interval.low <= one.right + 1e-12 <= one.interval.high + 2e-12


def test_bins_have_equal_counts_where_no_confidence_is_stated_twice() -> None:
    bins = _value(reliability_bins([Judged(n / 400, n % 2) for n in range(400)]))
    assert [one.count for one in bins] == [40] * 10


def test_the_calibration_error_is_the_mean_gap() -> None:
    judged = _many(0.9, 30, 10) + _many(0.2, 5, 35)
    assert _value(expected_calibration_error(judged)) == pytest.approx((0.15 + 0.075) / 2)


def test_a_stretch_with_few_outcomes_is_told_without_a_figure() -> None:
    at = [START + n * timedelta(hours=2) for n in range(12)] + [START + 2 * DAY]
    first, second, third = accuracy_over_time([(one, 1.0) for one in at], DAY)
    assert _value(first.accuracy).right == 1
    assert _value(first.accuracy).interval.high == 1
    assert (second.accuracy.count, second.accuracy.reason) == (0, "too_few_outcomes")
    assert (third.start_at, third.accuracy.count) == (START + 2 * DAY, 1)


def test_accuracy_over_no_time_at_all_is_empty() -> None:
    nothing: tuple[Stretch, ...] = ()
    assert accuracy_over_time([], DAY) == nothing


def test_a_stretch_of_no_length_is_refused() -> None:
    with pytest.raises(ValueError, match="every must be above 0"):
        accuracy_over_time([(START, 1.0)], timedelta(0))
