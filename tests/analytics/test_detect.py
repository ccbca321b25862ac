"""The detectors: N of M samples beyond a limit, and a line that will reach it."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.projects_file import ProjectSpec, Threshold
from data.analytics.detect import Detection, detect
from data.analytics.limits import kind_of, limits_frame, reach, samples_frame
from data.records import MetricSample

START = datetime(2026, 1, 1, tzinfo=UTC)
SPEC = ProjectSpec(name="a", url="http://127.0.0.1:1")


def _detect(memory: list[float], *, spec: ProjectSpec = SPEC, every_s: float = 30) -> Detection:
    scrapes = [
        MetricSample(
            project="a", recorded_at=START + timedelta(seconds=every_s * n), memory_percent=value
        )
        for n, value in enumerate(memory)
    ]
    return detect(samples_frame(scrapes, {"a": spec}), limits_frame([spec]))


def _held(detection: Detection) -> list[tuple[str, str]]:
    return [(finding.metric, finding.detector) for finding in detection.findings]


def test_two_of_the_last_three_beyond_the_limit_is_an_anomaly() -> None:
    detection = _detect([50, 90, 50, 91])
    assert _held(detection) == [("memory_percent", "threshold")]
    (finding,) = detection.findings
    assert (finding.value, finding.threshold, finding.kind) == (91, 85, "memory")
    assert finding.reason == ("memory_percent above 85 in 2 of the last 3 samples, now 91")


def test_one_sample_beyond_the_limit_is_not() -> None:
    assert _held(_detect([50, 50, 99])) == []


def test_at_the_limit_is_not_beyond_it() -> None:
    assert _held(_detect([85, 85, 85])) == []


def test_it_is_over_when_as_many_samples_in_a_row_are_inside() -> None:
    assert ("a", "memory_percent", "threshold") in _detect([95, 95, 50, 50]).cleared


def test_near_the_limit_nothing_is_claimed_either_way() -> None:
    detection = _detect([95, 50, 50, 95, 50])
    assert _held(detection) == []
    assert ("a", "memory_percent", "threshold") not in detection.cleared


def test_samples_from_before_an_outage_do_not_count() -> None:
    scrapes = [
        MetricSample(project="a", recorded_at=START, memory_percent=99),
        MetricSample(project="a", recorded_at=START + timedelta(hours=2), memory_percent=99),
    ]
    assert detect(samples_frame(scrapes, {"a": SPEC}), limits_frame([SPEC])).findings == ()


def test_a_limit_may_be_a_floor() -> None:
    spec = ProjectSpec(
        name="a",
        url="http://127.0.0.1:1",
        thresholds={"memory_percent": Threshold(below=10, for_="1 of 1")},
    )
    (finding,) = _detect([50, 5], spec=spec).findings
    assert finding.direction == "below"


def test_a_steady_rise_is_told_before_it_reaches_the_limit() -> None:
    (finding,) = _detect([40 + 2 * n for n in range(15)]).findings
    assert finding.detector == "trend"
    assert finding.reason == (
        "memory_percent rises by 4 a minute from 40 to 68 and reaches 85 in about 4m15s"
    )


def test_a_rise_that_will_take_long_is_not() -> None:
    assert _held(_detect([40 + 0.3 * n for n in range(21)])) == []


def test_noise_is_no_trend() -> None:
    assert _held(_detect([60, 75, 58, 80, 61, 77, 59, 79, 62, 76])) == []


def test_a_flat_line_is_no_trend_and_breaks_nothing() -> None:
    detection = _detect([60.0] * 12)
    assert _held(detection) == []
    assert ("a", "memory_percent", "trend") in detection.cleared


def test_too_few_samples_say_nothing() -> None:
    detection = _detect([40, 50, 60])
    assert _held(detection) == []
    assert ("a", "memory_percent", "trend") not in detection.cleared


def test_what_was_not_measured_is_not_judged() -> None:
    scrapes = [
        MetricSample(project="a", recorded_at=START + timedelta(seconds=n)) for n in range(5)
    ]
    frame = samples_frame(scrapes, {"a": SPEC})
    assert frame.is_empty()
    assert detect(frame, limits_frame([SPEC])) == Detection(findings=(), cleared=frozenset())


def test_further_metrics_can_have_limits() -> None:
    spec = ProjectSpec(
        name="a", url="http://127.0.0.1:1", thresholds={"queue_depth": Threshold(above=100)}
    )
    scrapes = [
        MetricSample(
            project="a", recorded_at=START + timedelta(seconds=30 * n), other={"queue_depth": 500}
        )
        for n in range(3)
    ]
    (finding,) = detect(samples_frame(scrapes, {"a": spec}), limits_frame([spec])).findings
    assert finding.kind == "queue_depth"


@pytest.mark.parametrize(
    ("metric", "kind"),
    [("cpu_percent", "cpu"), ("error_rate_percent", "error_rate"), ("response_ms", "latency")],
)
def test_the_kind_is_the_metric_without_its_unit(metric: str, kind: str) -> None:
    assert kind_of(metric) == kind


@given(st.lists(st.floats(0, 100), min_size=1, max_size=40))
def test_each_project_is_judged_as_if_it_were_alone(values: list[float]) -> None:
    def scrapes(name: str, offset: float) -> list[MetricSample]:
        return [
            MetricSample(
                project=name,
                recorded_at=START + timedelta(seconds=30 * n),
                memory_percent=min(100.0, value + offset),
            )
            for n, value in enumerate(values)
        ]

    other = ProjectSpec(name="b", url="http://127.0.0.1:2")
    specs = {"a": SPEC, "b": other}
    both = samples_frame([*scrapes("b", 20), *scrapes("a", 0)], specs)
    together = detect(both, limits_frame(specs.values()))
    alone = detect(both.filter(pl.col("project") == "a"), limits_frame([SPEC]))
    assert {f for f in together.findings if f.project == "a"} == set(alone.findings)


def test_the_reach_covers_every_detector() -> None:
    back = reach(SPEC)
    assert back.samples >= SPEC.trend.min_samples
    assert back.age >= SPEC.trend.window
