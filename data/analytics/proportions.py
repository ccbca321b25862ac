"""Proportions with their uncertainty: how sure one can be of "18 of 20"."""

import math
from dataclasses import dataclass
from typing import Final

_Z: Final = 1.959963984540054
"""The standard normal's 97.5 % point: all intervals are of 95 %."""


@dataclass(frozen=True, slots=True)
class Interval:
    """From `low` to `high`, both ratios: 0 to 1 for a proportion, -1 to 1 for a difference."""

    low: float
    high: float


def wilson(successes: int, trials: int) -> Interval:
    """Return the 95 % score interval of a proportion; without trials it is all of 0 to 1.

    Wilson, Probable inference, the law of succession, and statistical inference, JASA 22, 1927.

    Raises:
        ValueError: the successes are not from 0 to `trials`.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"successes must be from 0 to {trials}, got {successes}")
    if not trials:
        return Interval(0.0, 1.0)
    ratio = successes / trials
    centre = ratio + _Z**2 / (2 * trials)
    reach = _Z * math.sqrt(ratio * (1 - ratio) / trials + (_Z / (2 * trials)) ** 2)
    scale = 1 + _Z**2 / trials
    # at the ends the formula is exact, but for the last digit of a float
    low = 0.0 if not successes else max(0.0, min((centre - reach) / scale, ratio))
    high = 1.0 if successes == trials else min(1.0, max((centre + reach) / scale, ratio))
    return Interval(low, high)


def newcombe(first: tuple[int, int], second: tuple[int, int]) -> Interval:
    """Return the 95 % interval of the first proportion minus the second.

    Each is (successes, trials), with at least one trial. Method 10, the hybrid score interval, of
    Newcombe, Interval estimation for the difference between independent proportions, Statistics
    in Medicine 17, 1998.

    Raises:
        ValueError: a proportion has no trials, or more successes than trials.
    """
    if not first[1] or not second[1]:
        raise ValueError("a proportion without trials has no difference to another")
    one, two = first[0] / first[1], second[0] / second[1]
    around_one, around_two = wilson(*first), wilson(*second)
    below = math.hypot(one - around_one.low, around_two.high - two)
    above = math.hypot(around_one.high - one, two - around_two.low)
    return Interval(max(-1.0, one - two - below), min(1.0, one - two + above))
