"""What holds of a ranking whatever was measured."""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.analytics.limits import SAMPLES
from reasoning.causes import IncidentWindow, explain, rank
from tests.reasoning.test_causes import CHAIN, END, course, frame, slow, window

FEW = settings(max_examples=12, deadline=None)
VALUES = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([0.0, 1.0, 100.0])
PROJECTS = ("shop", "search", "database")
LEVELS = st.lists(st.sampled_from([50.0, 100.0, 130.0, 400.0]), min_size=3, max_size=3)


def _measured(levels: Sequence[float]) -> IncidentWindow:
    levelled = zip(PROJECTS, levels, strict=True)
    return window(*(course(name, "response_ms", to=level) for name, level in levelled))


def _of_values(values: Sequence[float | None]) -> IncidentWindow:
    """A project with these samples, half of them since the incident began."""
    rows = [
        (name, "response_ms", END - timedelta(seconds=600 * n / len(values)), value)
        for name in PROJECTS
        for n, value in enumerate(values)
    ]
    return replace(window(), metrics=pl.DataFrame(rows, schema=SAMPLES, orient="row"))


def _scores(one: IncidentWindow) -> dict[str, float]:
    return {cause.project: cause.score for cause in rank(one).causes}


@FEW
@given(levels=LEVELS, factor=st.sampled_from([1e-9, 1e-3, 3.0, 1024.0, 1e9]))
def test_the_unit_of_a_metric_does_not_matter(levels: list[float], factor: float) -> None:
    plain = _measured(levels)
    scaled = replace(plain, metrics=plain.metrics.with_columns(pl.col("value") * factor))
    assert _scores(scaled) == pytest.approx(_scores(plain), rel=1e-6, abs=1e-9)


@FEW
@given(levels=LEVELS, seed=st.integers(0, 1000))
def test_the_order_of_the_samples_does_not_matter(levels: list[float], seed: int) -> None:
    plain = _measured(levels)
    mixed = replace(plain, metrics=plain.metrics.sample(fraction=1.0, shuffle=True, seed=seed))
    assert rank(mixed) == rank(plain)


@FEW
@given(order=st.permutations(list(CHAIN)))
def test_the_order_of_the_projects_does_not_matter(order: list[str]) -> None:
    plain = window(*slow("shop", "search"))
    assert rank(replace(plain, depends_on={name: CHAIN[name] for name in order})) == rank(plain)


@FEW
@given(values=st.lists(VALUES | st.none(), min_size=1, max_size=12))
def test_any_values_give_scores_between_0_and_1_and_words(
    values: list[float | None],
) -> None:
    ranking = rank(_of_values(values))
    assert all(0 <= cause.score <= 1 for cause in ranking.causes)
    assert explain(ranking)


@FEW
@given(levels=LEVELS, missing=st.sampled_from([math.nan, math.inf, -math.inf, None]))
def test_samples_without_a_value_are_as_if_never_taken(
    levels: list[float], missing: float | None
) -> None:
    plain = _measured(levels)
    holes = plain.metrics.with_columns(value=pl.lit(missing, dtype=pl.Float64))
    assert rank(replace(plain, metrics=pl.concat([plain.metrics, holes]))) == rank(plain)


@FEW
@given(level=st.sampled_from([0.0, 1.0, -5.0, 1e300]), samples=st.integers(1, 40))
def test_constant_series_have_no_cause(level: float, samples: int) -> None:
    assert rank(_of_values([level] * samples)).causes == ()


@FEW
@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_one_sample_says_nothing(value: float) -> None:
    assert rank(_of_values([value])).causes == ()


@FEW
@given(levels=LEVELS)
def test_a_metric_that_is_missing_before_is_left_out(levels: list[float]) -> None:
    plain = _measured(levels)
    new = frame(course("database", "new_metric", to=400.0)).filter(pl.col("at") >= plain.begins_at)
    assert rank(replace(plain, metrics=pl.concat([plain.metrics, new]))) == rank(plain)


@FEW
@given(levels=LEVELS)
def test_what_comes_after_the_window_is_left_out(levels: list[float]) -> None:
    plain = _measured(levels)
    later = plain.metrics.with_columns(
        at=pl.col("at") + timedelta(days=1), value=pl.col("value") * 9
    )
    assert rank(replace(plain, metrics=pl.concat([plain.metrics, later]))) == rank(plain)
