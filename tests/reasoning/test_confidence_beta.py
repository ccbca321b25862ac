"""The Beta distribution is that of the tables, and never leaves 0 to 1."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasoning.confidence.beta import cumulative, jeffreys, lower_bound, quantile, trials_needed

counts = st.integers(0, 300)
shapes = st.floats(0.2, 400)
levels = st.floats(0.001, 0.999)


@pytest.mark.parametrize(
    ("bound", "trials"),
    [(0.80, [13, 21, 29, 36]), (0.90, [28, 45, 60, 75]), (0.95, [58, 92, 123, 152])],
)
def test_a_bound_takes_as_many_trials_as_stated(bound: float, trials: list[int]) -> None:
    assert [trials_needed(bound, failures) for failures in range(4)] == trials


@pytest.mark.parametrize(
    ("x", "a", "b", "expected"),
    [
        (0.5, 2, 3, 11 / 16),
        (0.3, 1, 5, 1 - 0.7**5),
        (0.3, 5, 1, 0.3**5),
        (0.25, 0.5, 0.5, 1 / 3),
        (0.7, 3, 2, 0.6517),
        (0.5, 10_000, 10_000, 0.5),
        (0.0, 2, 2, 0.0),
        (1.0, 2, 2, 1.0),
    ],
)
def test_the_distribution_is_that_of_the_tables(
    x: float, a: float, b: float, expected: float
) -> None:
    assert cumulative(x, a, b) == pytest.approx(expected, abs=1e-11)


@given(a=st.integers(1, 40), b=st.integers(1, 40), x=st.floats(0, 1))
def test_the_distribution_is_the_tail_of_the_binomial(a: int, b: int, x: float) -> None:
    """NIST Digital Library of Mathematical Functions, 8.17.5."""
    n = a + b - 1
    tail = math.fsum(math.comb(n, j) * x**j * (1 - x) ** (n - j) for j in range(a, n + 1))
    assert cumulative(x, a, b) == pytest.approx(tail, abs=1e-10)


@given(probability=levels, a=shapes, b=shapes)
def test_a_quantile_is_the_inverse_of_the_distribution(
    probability: float, a: float, b: float
) -> None:
    x = quantile(probability, a, b)
    assert cumulative(max(x - 1e-9, 0.0), a, b) <= probability + 1e-9
    assert cumulative(min(x + 1e-9, 1.0), a, b) >= probability - 1e-9


@pytest.mark.parametrize("shape", [1e-3, 0.5, 1.0, 7.0, 1e4])
@pytest.mark.parametrize("probability", [1e-9, 0.05, 0.5, 1 - 1e-9])
def test_a_quantile_of_a_power_is_its_root(probability: float, shape: float) -> None:
    """Beta(a, 1) is the distribution of a power, at the ends of what a float can hold too."""
    assert quantile(probability, shape, 1) == pytest.approx(probability ** (1 / shape), abs=1e-12)


@given(right=counts, wrong=counts)
def test_a_bound_rises_with_successes_and_falls_with_failures(right: int, wrong: int) -> None:
    bound = lower_bound(right, wrong)
    assert 0 < bound < 1
    assert lower_bound(right + 1, wrong) > bound > lower_bound(right, wrong + 1)


@given(right=counts, wrong=counts)
def test_a_bound_lies_below_the_mean(right: int, wrong: int) -> None:
    assert lower_bound(right, wrong) < (right + 1) / (right + wrong + 2)


@given(count=st.integers(1, 300), right=st.integers(0, 300))
def test_an_interval_holds_its_ratio(count: int, right: int) -> None:
    right = min(right, count)
    interval = jeffreys(right, count)
    assert 0 <= interval.low <= right / count <= interval.high <= 1


def test_an_interval_is_that_of_the_paper() -> None:
    """Brown, Cai and DasGupta 2001, table 5: 95 % for n = 7, X = 1 is (0.016, 0.501)."""
    interval = jeffreys(1, 7, coverage=0.95)
    assert (round(interval.low, 3), round(interval.high, 3)) == (0.016, 0.501)


@pytest.mark.parametrize("counts", [(-1, 0), (0, -1), (math.nan, 1), (math.inf, 1)])
def test_counts_that_cannot_be_are_refused(counts: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="counts must be 0 or more"):
        lower_bound(*counts)


@pytest.mark.parametrize("bound", [0, 1, 0.99999999])
def test_a_bound_that_nothing_reaches_is_refused(bound: float) -> None:
    with pytest.raises(ValueError, match="bound"):
        trials_needed(bound, 0)
