"""How good stated confidence was, in the field's figures; silent where outcomes are too few.

The Brier score is the mean squared difference between confidence and outcome, 0 the best. Murphy
takes it apart by bins: reliability (how far confidence is from what comes true, 0 the best),
resolution (how far bins differ from the whole, the more the better) and uncertainty (of the
outcomes themselves). That sums to the score only where all confidences of a bin are equal. Where
they are not, two terms more are needed: the variance of confidence within bins, less twice the
covariance of confidence and outcome there.

Murphy, A new vector partition of the probability score, Journal of Applied Meteorology 12, 1973.
Stephenson, Coelho and Jolliffe, Two extra components in the Brier score decomposition, Weather
and Forecasting 23, 2008.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from statistics import fmean
from typing import Final, Generic, Literal, TypeVar

from data.analytics.proportions import Interval
from reasoning.confidence.beta import jeffreys
from reasoning.confidence.calibration import Judged

LEAST: Final = 30
"""With fewer outcomes no figure is given."""

LEAST_IN_A_BIN: Final = 10
MOST_BINS: Final = 10

Figure = TypeVar("Figure")
Sample = TypeVar("Sample")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured(Generic[Figure]):
    """A figure from `count` outcomes, or None with the reason, where `needed` would be enough."""

    value: Figure | None
    reason: Literal["enough_outcomes", "too_few_outcomes"]
    count: int
    needed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Outcomes of like confidence. `interval` is Jeffreys' of 90 %, of the ratio that was right.

    Jeffreys' and not Wilson's, because what was partly right counts a half.
    """

    count: int
    stated: float
    right: float
    interval: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Murphy:
    """The parts of the Brier score; `within_variance` and `within_covariance` are Stephenson's.

    `within_covariance` is doubled already, as it enters the sum.
    """

    reliability: float
    resolution: float
    uncertainty: float
    within_variance: float
    within_covariance: float

    @property
    def brier(self) -> float:
        """The score that the parts sum to."""
        between = self.reliability - self.resolution + self.uncertainty
        return between + self.within_variance - self.within_covariance


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """How much was right in a stretch of time, as a ratio with its 90 % interval."""

    right: float
    interval: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """The accuracy from `start_at` to before the next stretch."""

    start_at: datetime
    accuracy: Measured[Accuracy]


def brier(judged: Sequence[Judged], least: int = LEAST) -> Measured[float]:
    """Return the Brier score, 0 to 1."""
    return _where_enough(_brier, judged, least)


def murphy(judged: Sequence[Judged], least: int = LEAST) -> Measured[Murphy]:
    """Return the parts of the Brier score over bins of equal count."""
    return _where_enough(_murphy, judged, least)


def expected_calibration_error(judged: Sequence[Judged], least: int = LEAST) -> Measured[float]:
    """Return how far confidence is from what comes true, as a mean over bins of equal count.

    It is above 0 by chance alone, the more so the fewer the outcomes. Pakdaman Naeini, Cooper and
    Hauskrecht, Obtaining well calibrated probabilities using Bayesian binning, AAAI 2015.
    """
    return _where_enough(_calibration_error, judged, least)


def reliability_bins(judged: Sequence[Judged], least: int = LEAST) -> Measured[tuple[Bin, ...]]:
    """Return the points of a reliability diagram, by rising confidence, in bins of equal count."""
    return _where_enough(_bins, judged, least)


def accuracy_over_time(
    outcomes: Sequence[tuple[datetime, float]],
    every: timedelta,
    least: int = LEAST_IN_A_BIN,
) -> tuple[Stretch, ...]:
    """Return how much was right, 0 to 1, in each stretch of time from the first to the last.

    A stretch with too few outcomes is there and has no figure.

    Raises:
        ValueError: `every` is not above 0.
    """
    if every <= timedelta(0):
        raise ValueError(f"every must be above 0, got {every}")
    if not outcomes:
        return ()
    start = min(at for at, _ in outcomes)
    stretches: list[list[float]] = [
        [] for _ in range((max(at for at, _ in outcomes) - start) // every + 1)
    ]
    for at, right in outcomes:
        stretches[(at - start) // every].append(right)
    return tuple(
        Stretch(start_at=start + number * every, accuracy=_where_enough(_accuracy, rights, least))
        for number, rights in enumerate(stretches)
    )


def _where_enough(
    figure: Callable[[Sequence[Sample]], Figure], samples: Sequence[Sample], least: int
) -> Measured[Figure]:
    enough = len(samples) >= max(least, 1)
    return Measured(
        value=figure(samples) if enough else None,
        reason="enough_outcomes" if enough else "too_few_outcomes",
        count=len(samples),
        needed=max(least, 1),
    )


def _accuracy(rights: Sequence[float]) -> Accuracy:
    return Accuracy(right=fmean(rights), interval=jeffreys(sum(rights), len(rights)))


def _brier(judged: Sequence[Judged]) -> float:
    return fmean((one.stated - one.right) ** 2 for one in judged)


def _calibration_error(judged: Sequence[Judged]) -> float:
    gaps = (len(inside) * abs(_stated(inside) - _right(inside)) for inside in _binned(judged))
    return sum(gaps) / len(judged)


def _bins(judged: Sequence[Judged]) -> tuple[Bin, ...]:
    return tuple(_bin(inside) for inside in _binned(judged))


def _murphy(judged: Sequence[Judged]) -> Murphy:
    """Sum over the bins; the variance of outcomes is that of a coin where none is partly right."""
    total, overall = len(judged), _right(judged)
    reliability = resolution = variance = covariance = 0.0
    for inside in _binned(judged):
        stated, right = _stated(inside), _right(inside)
        reliability += len(inside) * (stated - right) ** 2 / total
        resolution += len(inside) * (right - overall) ** 2 / total
        variance += sum((one.stated - stated) ** 2 for one in inside) / total
        covariance += 2 * sum((one.stated - stated) * (one.right - right) for one in inside) / total
    return Murphy(
        reliability=reliability,
        resolution=resolution,
        uncertainty=fmean((one.right - overall) ** 2 for one in judged),
        within_variance=variance,
        within_covariance=covariance,
    )


def _binned(judged: Sequence[Judged]) -> list[list[Judged]]:
    """Return bins of at least 10 outcomes each, at most 10 of them, by rising confidence.

    Equal confidences are never parted, so a bin is larger than the rest where many are equal. What
    is left at the end joins the last bin.
    """
    size = max(LEAST_IN_A_BIN, -(-len(judged) // MOST_BINS))
    bins: list[list[Judged]] = [[]]
    for _, equal in groupby(sorted(judged, key=_by_stated), key=_by_stated):
        if len(bins[-1]) >= size:
            bins.append([])
        bins[-1].extend(equal)
    if len(bins) > 1 and len(bins[-1]) < LEAST_IN_A_BIN:
        bins[-2].extend(bins.pop())
    return bins


def _bin(inside: Sequence[Judged]) -> Bin:
    count = len(inside)
    right = sum(one.right for one in inside)
    return Bin(
        count=count,
        stated=_stated(inside),
        right=right / count,
        interval=jeffreys(right, count),
    )


def _by_stated(one: Judged) -> float:
    return one.stated


def _stated(inside: Sequence[Judged]) -> float:
    return fmean(one.stated for one in inside)


def _right(inside: Sequence[Judged]) -> float:
    return fmean(one.right for one in inside)
