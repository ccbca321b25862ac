"""How far each metric of the neighbourhood is from its own past: one pass over all of them."""

from datetime import datetime, timedelta
from typing import Final

import polars as pl

from reasoning.causes.direction import HIGHER_IS_WORSE, LOWER_IS_WORSE

STANDS_OUT: Final = 3.0
"""From how many usual deviations on a metric stands out (Iglewicz and Hoaglin, 1993, say 3.5)."""

_SIGMA_PER_MAD: Final = 1.4826
_TAIL: Final = 3.0
_LEAST_SHARE: Final = 0.001
_DOUBT: Final = 0.2
_KEY: Final = ["project", "metric"]


def deviations(
    samples: pl.DataFrame, begins_at: datetime, ends_at: datetime, recent: timedelta
) -> pl.DataFrame:
    """Return a row per project and metric that was sampled both before and since `begins_at`.

    `z` is by how many usual deviations the metric went the wrong way, negative where that is
    down. `before` and `during` are in the metric's unit; `onset_at` is the first sample that is
    halfway there, null where it did not move; `every_s` is the time between samples.
    `recent` is how long before `begins_at` counts as just before.

    1. Usual is the median before. The scale is the largest of: the median absolute deviation, a
       third of the 99th percentile of the deviations (what often jumps has to jump further), and
       a share of the value that shrinks with the number of samples (a constant has no scale of
       its own, and few samples know little).
    2. The metric went to the quartile of its window on that side: a stray sample in a long
       window is nothing, and what began late in the window still shows.
    3. Where it was just before is no news: the shorter of the two ways counts, from the median
       and from just before.
    """
    parts = (
        samples.lazy()
        .filter(pl.col("value").is_finite() & (pl.col("at") <= ends_at))
        .with_columns(is_past=pl.col("at") < begins_at)
        .sort("at")
    )
    past = parts.filter("is_past").group_by(_KEY).agg(*_past(begins_at - recent))
    window = parts.filter(~pl.col("is_past"))
    judged = (
        window.group_by(_KEY)
        .agg(*_window())
        .join(past, on=_KEY)
        .with_columns(_scale())
        .with_columns(*_ways())
        .with_columns(*_worse_way())
        .select(*_KEY, "z", "before", "during", every_s=_seconds("every_us"))
    )
    onsets = window.join(judged, on=_KEY).filter(_is_halfway()).group_by(_KEY).agg(_first("at"))
    return judged.join(onsets, on=_KEY, how="left").sort(_KEY).collect()


def _past(recent_from: datetime) -> list[pl.Expr]:
    value = pl.col("value")
    apart = (value - value.median()).abs()
    return [
        value.median().alias("before"),
        apart.median().alias("mad"),
        apart.quantile(0.99, "linear").alias("tail"),
        value.len().alias("samples"),
        value.filter(pl.col("at") >= recent_from).median().alias("recent"),
    ]


def _window() -> list[pl.Expr]:
    return [
        pl.col("value").quantile(0.75, "higher").alias("high"),
        pl.col("value").quantile(0.25, "lower").alias("low"),
        pl.col("at").diff().median().dt.total_microseconds().alias("every_us"),
    ]


def _scale() -> pl.Expr:
    size = pl.max_horizontal(pl.col("before", "high", "low").abs())
    least = size * (_LEAST_SHARE + _DOUBT / pl.col("samples"))
    usual = pl.col("mad") * _SIGMA_PER_MAD
    return pl.max_horizontal(usual, pl.col("tail") / _TAIL, least).alias("scale")


def _ways() -> list[pl.Expr]:
    """Return how far up and how far down it went, in usual deviations and 0 where that is good."""
    name = pl.col("metric").str.to_lowercase()
    rising, falling = name.str.contains(HIGHER_IS_WORSE), name.str.contains(LOWER_IS_WORSE)
    up = pl.col("high") - pl.max_horizontal("before", "recent")
    down = pl.min_horizontal("before", "recent") - pl.col("low")
    return [
        pl.when(~falling & (up > 0)).then(up / pl.col("scale")).otherwise(0.0).alias("up"),
        pl.when((falling | ~rising) & (down > 0))
        .then(down / pl.col("scale"))
        .otherwise(0.0)
        .alias("down"),
    ]


def _worse_way() -> list[pl.Expr]:
    went_up = pl.col("up") >= pl.col("down")
    return [
        pl.when(went_up).then("up").otherwise(-pl.col("down")).fill_nan(0.0).alias("z"),
        pl.when(went_up).then("high").otherwise("low").alias("during"),
    ]


def _is_halfway() -> pl.Expr:
    halfway = (pl.col("before") + pl.col("during")) / 2
    return (pl.col("z") != 0) & ((pl.col("value") - halfway) * pl.col("z").sign() >= 0)


def _first(column: str) -> pl.Expr:
    return pl.col(column).min().alias("onset_at")


def _seconds(column: str) -> pl.Expr:
    return (pl.col(column) / 1e6).fill_null(0.0)
