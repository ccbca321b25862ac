"""What a stated confidence is worth, for people to read; no gate asks for it.

Below 30 verified outcomes the stated figure is shown as it is. From there on Platt scaling maps
it, with a ridge that draws it towards the identity, so that few outcomes bend it little. Above
1,000 an isotonic map takes its place, where it wins on outcomes that neither has seen.

Platt, Probabilistic outputs for support vector machines, 1999; the map on log-odds is that of
Cox, Two further applications of a model for binary regression, Biometrika 45, 1958.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Final, Literal, assert_never

LEAST: Final = 30
"""From as many outcomes on, the stated confidence is mapped."""

MANY: Final = 1000
"""Above as many, an isotonic map may take the place of Platt's."""

HELD_OUT_RATIO: Final = 0.3
"""The newest outcomes, on which the two maps are compared."""

RIDGE: Final = 4.0
"""What a slope or an offset away from the identity costs, as if it were log-likelihood times 2.

It is a normal prior around the identity with a standard deviation of 0.5.
"""

EDGE: Final = 0.005
"""A stated 0 or 1 has no log-odds; it is taken as this far from its end."""

_CLEARLY: Final = 1.645
"""In standard errors of the mean difference: what is won by chance 1 time in 20 is no win."""

_STEPS: Final = 50

Why = Literal["too_few_outcomes", "enough_outcomes", "wins_held_out"]


@dataclass(frozen=True, slots=True)
class Judged:
    """A stated confidence and how right the decision was, both 0 to 1, oldest first in a list."""

    stated: float
    right: float


@dataclass(frozen=True, slots=True)
class Raw:
    """As it was stated."""


@dataclass(frozen=True, slots=True)
class Platt:
    """The log-odds times `slope`, plus `offset`; the slope is never negative."""

    slope: float
    offset: float


@dataclass(frozen=True, slots=True)
class Isotonic:
    """Straight lines between the points, and level beyond the first and the last."""

    stated: tuple[float, ...]
    right: tuple[float, ...]


Map = Raw | Platt | Isotonic


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How stated confidence is mapped, why so, and from how many outcomes."""

    map: Map
    why: Why
    outcomes: int


def calibrate(judged: Sequence[Judged]) -> Calibration:
    """Return the map that the outcomes so far allow."""
    if len(judged) < LEAST:
        return Calibration(map=Raw(), why="too_few_outcomes", outcomes=len(judged))
    if len(judged) > MANY and _isotonic_wins(judged):
        return Calibration(map=fit_isotonic(judged), why="wins_held_out", outcomes=len(judged))
    return Calibration(map=fit_platt(judged), why="enough_outcomes", outcomes=len(judged))


def shown(map_: Map, stated: float) -> float:
    """Return the confidence to show, 0 to 1; it never falls as the stated one rises.

    Raises:
        ValueError: the stated confidence is not from 0 to 1.
    """
    if not 0 <= stated <= 1:
        raise ValueError(f"confidence must be from 0 to 1, got {stated}")
    match map_:
        case Raw():
            return stated
        case Platt():
            return _sigmoid(map_.slope * _log_odds(stated) + map_.offset)
        case Isotonic():
            return _between(map_, stated)
        case _:
            assert_never(map_)


def fit_platt(judged: Sequence[Judged], ridge: float = RIDGE) -> Platt:
    """Return the slope and offset of the highest penalised likelihood.

    Newton's method, each step halved until it does not lose. Where confidence says the opposite of
    what comes true the slope is 0, and all is shown as one and the same.
    """
    points = [(_log_odds(one.stated), one.right) for one in judged]
    free = _climb(points, ridge, Platt(1.0, 0.0), slope_free=True)
    return free if free.slope >= 0 else _climb(points, ridge, Platt(0.0, 0.0), slope_free=False)


def fit_isotonic(judged: Sequence[Judged]) -> Isotonic:
    """Return the rising map of the least squared error, by pooling adjacent violators.

    Ayer and others, An empirical distribution function for sampling with incomplete information,
    Annals of Mathematical Statistics 26, 1955. No point is nearer to 0 or 1 than 0.005: that all
    were right so far is no certainty.

    Raises:
        ValueError: there are no outcomes.
    """
    if not judged:
        raise ValueError("without outcomes there is nothing to fit")
    blocks: list[tuple[float, float, int]] = []  # stated, right, how many
    for block in _by_stated(judged):
        blocks.append(block)
        while len(blocks) > 1 and blocks[-2][1] >= blocks[-1][1]:
            last, before = blocks.pop(), blocks.pop()
            blocks.append(_pooled(before, last))
    return Isotonic(
        stated=tuple(stated for stated, _, _ in blocks),
        right=tuple(min(max(right, EDGE), 1 - EDGE) for _, right, _ in blocks),
    )


def _isotonic_wins(judged: Sequence[Judged]) -> bool:
    """Return whether its squared error on the newest outcomes is clearly the lower."""
    cut = round(len(judged) * (1 - HELD_OUT_RATIO))
    seen, unseen = judged[:cut], judged[cut:]
    platt, isotonic = fit_platt(seen), fit_isotonic(seen)
    gains = [
        (shown(platt, one.stated) - one.right) ** 2 - (shown(isotonic, one.stated) - one.right) ** 2
        for one in unseen
    ]
    return fmean(gains) > _CLEARLY * stdev(gains) / math.sqrt(len(gains))


def _climb(
    points: Sequence[tuple[float, float]], ridge: float, start: Platt, *, slope_free: bool
) -> Platt:
    here, loss = start, _loss(points, ridge, start)
    for _ in range(_STEPS):
        slope_step, offset_step = _newton_step(points, ridge, here, slope_free=slope_free)
        scale = 1.0
        while True:
            there = Platt(here.slope - scale * slope_step, here.offset - scale * offset_step)
            new_loss = _loss(points, ridge, there)
            if new_loss <= loss or scale < 1e-6:
                break
            scale /= 2
        if loss - new_loss <= 1e-10:
            break
        here, loss = there, new_loss
    return here


def _newton_step(
    points: Sequence[tuple[float, float]], ridge: float, here: Platt, *, slope_free: bool
) -> tuple[float, float]:
    """Return the inverse Hessian times the gradient of the loss, by slope and offset."""
    by_slope, by_offset = ridge * (here.slope - 1), ridge * here.offset
    slope_slope, slope_offset, offset_offset = ridge, 0.0, ridge
    for odds, right in points:
        said = _sigmoid(here.slope * odds + here.offset)
        error, weight = said - right, said * (1 - said)
        by_slope += error * odds
        by_offset += error
        slope_slope += weight * odds * odds
        slope_offset += weight * odds
        offset_offset += weight
    if not slope_free:
        return 0.0, by_offset / offset_offset
    determinant = slope_slope * offset_offset - slope_offset**2
    return (
        (offset_offset * by_slope - slope_offset * by_offset) / determinant,
        (slope_slope * by_offset - slope_offset * by_slope) / determinant,
    )


def _loss(points: Sequence[tuple[float, float]], ridge: float, at: Platt) -> float:
    """Return the negative log-likelihood with the ridge's penalty."""
    total = ridge / 2 * ((at.slope - 1) ** 2 + at.offset**2)
    for odds, right in points:
        score = at.slope * odds + at.offset
        total += max(score, 0.0) + math.log1p(math.exp(-abs(score))) - right * score
    return total


def _by_stated(judged: Sequence[Judged]) -> list[tuple[float, float, int]]:
    """Return each stated confidence once, rising, with its mean outcome and count."""
    found: dict[float, list[float]] = {}
    for one in judged:
        found.setdefault(one.stated, []).append(one.right)
    return [(stated, fmean(rights), len(rights)) for stated, rights in sorted(found.items())]


def _pooled(
    one: tuple[float, float, int], other: tuple[float, float, int]
) -> tuple[float, float, int]:
    count = one[2] + other[2]
    return (
        (one[0] * one[2] + other[0] * other[2]) / count,
        (one[1] * one[2] + other[1] * other[2]) / count,
        count,
    )


def _between(points: Isotonic, stated: float) -> float:
    above = bisect_left(points.stated, stated)
    if above == 0:
        return points.right[0]
    if above == len(points.stated):
        return points.right[-1]
    left, right = points.stated[above - 1], points.stated[above]
    share = (stated - left) / (right - left)
    low, high = points.right[above - 1], points.right[above]
    return min(high, low + share * (high - low))


def _log_odds(ratio: float) -> float:
    kept = min(max(ratio, EDGE), 1 - EDGE)
    return math.log(kept / (1 - kept))


def _sigmoid(score: float) -> float:
    if score >= 0:
        return 1 / (1 + math.exp(-score))
    odds = math.exp(score)
    return odds / (1 + odds)
