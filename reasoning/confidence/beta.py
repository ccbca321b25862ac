"""The Beta distribution: what counts of right and wrong say about how often it is right.

The prior is Beta(1, 1), every ratio as likely as any other. Counts need not be whole: evidence
that has faded, and what was half right, counts in parts.
"""

import math
from functools import lru_cache
from statistics import NormalDist
from typing import Final

from data.analytics.proportions import Interval

LEVEL: Final = 0.05
"""How likely it may be that the true ratio lies below the lower bound."""

MOST_TRIALS: Final = 100_000
_STEPS: Final = 500
_TINY: Final = 1e-300


def lower_bound(right: float, wrong: float, level: float = LEVEL) -> float:
    """Return the ratio that the true one exceeds with probability 1 - `level`.

    Raises:
        ValueError: a count is negative or not finite, or the level is not between 0 and 1.
    """
    _check_counts(right, wrong)
    return quantile(level, 1 + right, 1 + wrong)


def trials_needed(bound: float, failures: int) -> int:
    """Return how many trials, the failures among them, bring the lower bound to `bound`.

    Raises:
        ValueError: the bound is not between 0 and 1, the failures are negative, or it would take
            more than 100,000 trials.
    """
    if not 0 < bound < 1:
        raise ValueError(f"bound must be between 0 and 1, got {bound}")
    low, high = failures, failures + 1
    while lower_bound(high - failures, failures) < bound:
        low, high = high, 2 * high
        if low > MOST_TRIALS:
            raise ValueError(f"bound {bound} takes more than {MOST_TRIALS:,} trials")
    while low < high:  # the bound rises with every success
        middle = (low + high) // 2
        if lower_bound(middle - failures, failures) < bound:
            low = middle + 1
        else:
            high = middle
    return low


def jeffreys(right: float, count: float, coverage: float = 0.90) -> Interval:
    """Return Jeffreys' equal-tailed interval of a ratio, which holds for parts of a count too.

    At 0 and at `count` the end beside it is 0 or 1, as Brown, Cai and DasGupta recommend:
    Interval estimation for a binomial proportion, Statistical Science 16, 2001.

    Raises:
        ValueError: `right` is not from 0 to `count`, or the coverage is not between 0 and 1.
    """
    _check_counts(right, count - right)
    tail = (1 - coverage) / 2
    shape = (right + 0.5, count - right + 0.5)
    low = quantile(tail, *shape) if right > 0 else 0.0
    high = quantile(1 - tail, *shape) if right < count else 1.0
    return Interval(low, high)


@lru_cache(maxsize=4096)
def quantile(probability: float, a: float, b: float) -> float:
    """Return the x of Beta(a, b) below which lies `probability`, to 12 digits after the point.

    Newton's steps from a normal approximation of the log-odds, inside a bracket that is halved
    wherever a step would leave it.

    Raises:
        ValueError: the probability is not between 0 and 1, or a shape is not above 0.
    """
    if not 0 < probability < 1:
        raise ValueError(f"probability must be between 0 and 1, got {probability}")
    low, high = 0.0, 1.0
    x = _first_guess(probability, a, b)
    while high - low > 1e-13:
        excess = cumulative(x, a, b) - probability
        low, high = (low, x) if excess > 0 else (x, high)
        step = excess / max(math.exp(_log_density(x, a, b)), _TINY)
        if not low < x - step < high:
            x = (low + high) / 2
        elif abs(step) < 1e-7 * min(x, 1 - x):
            return x - step  # what is left is of the order of its square
        else:
            x -= step
    return x


def _first_guess(probability: float, a: float, b: float) -> float:
    _check_shapes(a, b)
    odds = math.log(a / b) + NormalDist().inv_cdf(probability) * math.sqrt(1 / a + 1 / b)
    return min(max(1 / (1 + math.exp(min(-odds, 600.0))), 1e-12), 1 - 1e-12)


def cumulative(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b).

    The continued fraction of the NIST Digital Library of Mathematical Functions, 8.17.22, by
    Lentz's method, on the side of the mean where it converges fast.

    Raises:
        ValueError: x is not from 0 to 1, or a shape is not above 0.
    """
    _check_shapes(a, b)
    if not 0 <= x <= 1:
        raise ValueError(f"x must be from 0 to 1, got {x}")
    if x in (0, 1):
        return float(x)
    if x > (a + 1) / (a + b + 2):
        return 1 - cumulative(1 - x, b, a)
    front = _log_density(x, a, b) + math.log(x) + math.log1p(-x)
    return math.exp(front) / a * _fraction(x, a, b)


def log_beta(a: float, b: float) -> float:
    """Return the natural logarithm of the Beta function."""
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _log_density(x: float, a: float, b: float) -> float:
    return (a - 1) * math.log(x) + (b - 1) * math.log1p(-x) - log_beta(a, b)


def _fraction(x: float, a: float, b: float) -> float:
    value, c, d = 1.0, 1.0, 0.0
    for level in range(1, _STEPS):
        coefficient = _coefficient(level, x, a, b)
        d = 1 / _away_from_zero(1 + coefficient * d)
        c = _away_from_zero(1 + coefficient / c)
        value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return 1 / value


def _coefficient(level: int, x: float, a: float, b: float) -> float:
    m, odd = divmod(level, 2)
    if odd:
        return -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
    return m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def _check_shapes(a: float, b: float) -> None:
    if not (a > 0 and b > 0 and math.isfinite(a + b)):
        raise ValueError(f"the shapes must be above 0, got {a} and {b}")


def _check_counts(right: float, wrong: float) -> None:
    if not (right >= 0 and wrong >= 0 and math.isfinite(right + wrong)):
        raise ValueError(f"counts must be 0 or more, got {right} right and {wrong} wrong")
