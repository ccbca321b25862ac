"""Find anomalies in recent samples: one vectorised pass over any number of projects.

Both detectors answer for every project and metric with `holds`, `clear`, or neither; neither
means that whatever was the case before still is, which keeps an anomaly near its limit from
beginning and ending at every sample.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import polars as pl

from config.durations import format_duration
from data.analytics.limits import kind_of
from data.anomalies import Finding, Identity
from data.records import Severity
from data.states import Detector

TREND_R2_HOLDS = 0.8
TREND_R2_CLEAR = 0.4
TREND_LEAST_RISE = 0.1
"""A trend counts when it moved by at least this share of the limit within its window."""

_KEY = ["project", "metric"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """`findings` hold now; `cleared` do certainly not."""

    findings: tuple[Finding, ...]
    cleared: frozenset[Identity]


def detect(samples: pl.DataFrame, limits: pl.DataFrame) -> Detection:
    """Judge the projects of `limits` by `samples` (schemas in `data.analytics.limits`).

    The moment of judgement is each project's newest sample, so the same samples give the same
    findings whenever they are looked at.
    """
    recent = (
        samples.lazy()
        .join(limits.lazy(), on=_KEY)
        .sort("at")
        .with_columns(
            age_s=(pl.col("at").max().over(_KEY) - pl.col("at")).dt.total_microseconds() / 1e6,
            place=pl.int_range(pl.len(), 0, -1).over(_KEY) - 1,
            excess=(pl.col("value") - pl.col("limit")) * pl.col("sign"),
        )
    )
    thresholds, trends = pl.collect_all([_thresholds(recent), _trends(recent)])
    holding = pl.col("holds")
    return Detection(
        findings=(
            *map(_threshold_finding, thresholds.filter(holding).iter_rows(named=True)),
            *map(_trend_finding, trends.filter(holding).iter_rows(named=True)),
        ),
        cleared=frozenset({*_cleared(thresholds, "threshold"), *_cleared(trends, "trend")}),
    )


def _cleared(rows: pl.DataFrame, detector: Detector) -> Iterator[Identity]:
    clear = rows.filter(pl.col("clear") & ~pl.col("holds")).select(_KEY)
    return ((project, metric, detector) for project, metric in clear.rows())


def _thresholds(recent: pl.LazyFrame) -> pl.LazyFrame:
    """N of the last M samples beyond the limit hold; the last N all within it are clear."""
    window = (pl.col("place") < pl.col("window")) & (pl.col("age_s") <= pl.col("window_s"))
    newest = pl.col("place") < pl.col("needed")
    beyond = pl.col("excess") > 0
    return (
        recent.filter(window)
        .group_by(_KEY)
        .agg(
            pl.col("limit", "sign", "needed", "window", "window_s", "severity").first(),
            at=pl.col("at").last(),
            value=pl.col("value").last(),
            beyond=beyond.sum(),
            seen=pl.len(),
            span_s=pl.col("age_s").max(),
            inside=(newest & ~beyond).sum(),
        )
        .with_columns(
            holds=pl.col("beyond") >= pl.col("needed"),
            clear=pl.col("inside") >= pl.col("needed"),
        )
        .filter(pl.col("holds") | pl.col("clear"))
    )


def _trends(recent: pl.LazyFrame) -> pl.LazyFrame:
    """A straight line through the window that reaches the limit within the horizon.

    Ordinary least squares over time; the line counts when it explains at least 80 % of the
    variance (r²) and moved by a tenth of the limit. What is beyond the limit already is no
    trend any more: the threshold speaks of it.
    """
    line = (
        recent.filter(pl.col("trend") & (pl.col("age_s") <= pl.col("trend_window_s")))
        .with_columns(x=-pl.col("age_s"))
        .group_by(_KEY)
        .agg(
            pl.col("limit", "sign", "severity").first(),
            pl.col("trend_horizon_s", "trend_min_samples", "trend_window_s").first(),
            at=pl.col("at").last(),
            value=pl.col("value").last(),
            excess=pl.col("excess").last(),
            seen=pl.len(),
            span_s=pl.col("age_s").max(),
            slope=pl.cov("x", "value") / pl.col("x").var(),
            r2=pl.corr("x", "value") ** 2,
            now=pl.col("value").mean()
            - pl.cov("x", "value") / pl.col("x").var() * pl.col("x").mean(),
        )
    )
    toward = pl.col("slope") * pl.col("sign")
    moved = toward * pl.col("span_s")
    left_s = (pl.col("limit") - pl.col("now")) / pl.col("slope")
    enough = pl.col("seen") >= pl.col("trend_min_samples")
    inside = pl.col("excess") <= 0
    return (
        line.with_columns(left_s=left_s, r2=pl.col("r2").fill_nan(0.0).fill_null(0.0))
        .with_columns(
            holds=(
                enough
                & inside
                & (toward > 0)
                & (pl.col("r2") >= TREND_R2_HOLDS)
                & (moved >= TREND_LEAST_RISE * pl.col("limit").abs())
                & pl.col("left_s").is_between(0, pl.col("trend_horizon_s"))
            ),
            clear=(
                enough
                & (
                    ~inside
                    | (toward <= 0)
                    | (pl.col("r2") < TREND_R2_CLEAR)
                    | (pl.col("left_s") > 2 * pl.col("trend_horizon_s"))
                )
            ),
        )
        .filter(pl.col("holds") | pl.col("clear"))
    )


def _threshold_finding(row: dict[str, Any]) -> Finding:
    side = "above" if row["sign"] > 0 else "below"
    reason = (
        f"{row['metric']} {side} {_number(row['limit'])}"
        f" in {row['beyond']} of the last {row['seen']} samples, now {_number(row['value'])}"
    )
    return _finding(row, detector="threshold", severity=row["severity"], reason=reason)


def _trend_finding(row: dict[str, Any]) -> Finding:
    per_minute = row["slope"] * 60
    start = row["now"] - row["slope"] * row["span_s"]
    left = format_duration(timedelta(seconds=math.ceil(row["left_s"])))
    reason = (
        f"{row['metric']} {'rises' if per_minute > 0 else 'falls'}"
        f" by {_number(abs(per_minute))} a minute from {_number(start)} to {_number(row['value'])}"
        f" and reaches {_number(row['limit'])} in about {left}"
    )
    return _finding(row, detector="trend", severity="warning", reason=reason)


def _finding(
    row: dict[str, Any], *, detector: Detector, severity: Severity, reason: str
) -> Finding:
    return Finding(
        project=row["project"],
        kind=kind_of(row["metric"]),
        metric=row["metric"],
        detector=detector,
        direction="above" if row["sign"] > 0 else "below",
        severity=severity,
        value=row["value"],
        threshold=row["limit"],
        time_window=timedelta(seconds=row["span_s"]),
        reason=reason,
        at=row["at"],
    )


def _number(value: float) -> str:
    return f"{value:,.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
