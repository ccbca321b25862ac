"""What is looked for in the metrics of which project, as one frame the detectors join with."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from config.projects_file import ProjectSpec
from data.records import MetricSample

KINDS = {"response_ms": "latency"}
_UNITS = ("_percent", "_ratio", "_ms", "_s", "_bytes")
_STALE = 2.5
"""A sample older than this many windows says nothing of now."""

LIMITS = pl.Schema(
    {
        "project": pl.String(),
        "metric": pl.String(),
        "limit": pl.Float64(),
        "sign": pl.Float64(),  # 1 where above the limit is bad, -1 where below is
        "needed": pl.Int64(),
        "window": pl.Int64(),
        "window_s": pl.Float64(),
        "severity": pl.String(),
        "trend": pl.Boolean(),
        "trend_window_s": pl.Float64(),
        "trend_horizon_s": pl.Float64(),
        "trend_min_samples": pl.Int64(),
    }
)
SAMPLES = pl.Schema(
    {
        "project": pl.String(),
        "metric": pl.String(),
        "at": pl.Datetime(time_unit="us", time_zone="UTC"),
        "value": pl.Float64(),
    }
)


@dataclass(frozen=True, slots=True)
class Reach:
    """How far back the detectors look in one project."""

    samples: int
    age: timedelta


def kind_of(metric: str) -> str:
    """Return the kind of incident a metric belongs to: its name without the unit."""
    for unit in _UNITS:
        if metric.endswith(unit):
            return KINDS.get(metric, metric.removesuffix(unit))
    return metric


def limits_frame(specs: Iterable[ProjectSpec]) -> pl.DataFrame:
    """Return one row per project and watched metric."""
    rows = [
        (
            spec.name,
            metric,
            limit := threshold.above if threshold.above is not None else threshold.below,
            1.0 if threshold.above is not None else -1.0,
            threshold.needed,
            threshold.window,
            threshold.window * spec.intervals.metrics.total_seconds() * _STALE,
            threshold.severity,
            spec.trend.enabled and limit is not None,
            spec.trend.window.total_seconds(),
            spec.trend.horizon.total_seconds(),
            spec.trend.min_samples,
        )
        for spec in specs
        for metric, threshold in spec.thresholds.items()
        if threshold is not None
    ]
    return pl.DataFrame(rows, schema=LIMITS, orient="row")


def samples_frame(samples: Iterable[MetricSample], specs: dict[str, ProjectSpec]) -> pl.DataFrame:
    """Return the watched metrics of scrapes in long form; what was not measured has no row."""
    rows = [
        (sample.project, metric, sample.recorded_at, value)
        for sample in samples
        if sample.project in specs
        for metric in specs[sample.project].thresholds
        if (value := metric_value(sample, metric)) is not None
    ]
    return pl.DataFrame(rows, schema=SAMPLES, orient="row")


def metric_value(sample: MetricSample, metric: str) -> float | None:
    """Return one metric of a scrape by name, whether it has a column or not."""
    match metric:
        case "cpu_percent":
            return sample.cpu_percent
        case "memory_percent":
            return sample.memory_percent
        case "error_rate_percent":
            return sample.error_rate_percent
        case "response_ms":
            return sample.response_ms
        case _:
            return sample.other.get(metric)


def reach(spec: ProjectSpec) -> Reach:
    """Return how many samples, and of which age, any detector can need."""
    interval = spec.intervals.metrics
    windows = [threshold.window for threshold in spec.thresholds.values() if threshold]
    samples = max([*windows, round(spec.trend.window / interval), spec.trend.min_samples])
    return Reach(samples=samples + 1, age=max(samples * interval * _STALE, spec.trend.window))
