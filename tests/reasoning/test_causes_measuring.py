"""How deviations and surges of log lines are measured."""

from datetime import datetime, timedelta

import polars as pl
import pytest

from data.analytics.limits import SAMPLES
from reasoning.causes.deviation import STANDS_OUT, deviations
from reasoning.causes.templates import surges, template
from reasoning.causes.window import LOGS
from tests.reasoning.test_causes import END, OPENED, at, course, frame

BEGINS = at(-5)
RECENT = timedelta(minutes=10)


def _row(samples: pl.DataFrame) -> dict[str, object]:
    return deviations(samples, BEGINS, END, RECENT).row(0, named=True)


def _series(values: list[float]) -> pl.DataFrame:
    """Samples at 30 s, of which the last ten are since the incident began."""
    rows = [
        ("a", "value", BEGINS + timedelta(seconds=30 * (n - len(values) + 10)), value)
        for n, value in enumerate(values)
    ]
    return pl.DataFrame(rows, schema=SAMPLES, orient="row")


def test_a_deviation_is_signed_and_in_usual_deviations() -> None:
    up, down = (_row(frame(course("a", "value", to=to))) for to in (140.0, 60.0))
    assert up["z"] == pytest.approx(-float(str(down["z"])), rel=0.2)
    assert float(str(up["z"])) > 4 * STANDS_OUT


def test_the_onset_is_the_first_sample_that_is_halfway_there() -> None:
    found = _row(frame(course("a", "response_ms", to=400.0, since=at(1))))
    assert found["onset_at"] == at(1)
    assert found["every_s"] == 30.0


def test_a_metric_that_often_jumps_has_to_jump_further() -> None:
    calm, jumpy = [100.0, 101.0] * 50, [100.0, 101.0] * 50
    jumpy[::20] = [200.0] * 5
    assert float(str(_row(_series(calm + [150.0] * 10))["z"])) > STANDS_OUT
    assert float(str(_row(_series(jumpy + [150.0] * 10))["z"])) < STANDS_OUT


def test_one_stray_sample_is_no_deviation() -> None:
    assert abs(float(str(_row(_series([100.0, 101.0] * 50 + [100.0] * 9 + [900.0]))["z"]))) < 1


def test_few_samples_before_make_a_small_deviation() -> None:
    few, many = _row(_series([100.0] + [110.0] * 10)), _row(_series([100.0] * 90 + [110.0] * 10))
    assert float(str(few["z"])) < 1 < STANDS_OUT < float(str(many["z"]))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("took 35 ms", "took <n> ms"),
        ("user 0x7fA0 gone", "user <hex> gone"),
        ("commit 9f86d081884c7d65", "commit <hex>"),
        ("id 123e4567-e89b-12d3-a456-426614174000", "id <hex>"),
        ("two\nlines\x1b[0m", "two lines [<n>m"),
    ],
)
def test_numbers_are_masked(line: str, expected: str) -> None:
    assert pl.select(template(pl.lit(line))).item() == expected


def _logs(times: list[datetime], message: str = "failed after {n} ms") -> pl.DataFrame:
    rows = [("a", when, message.format(n=n)) for n, when in enumerate(times)]
    return pl.DataFrame(rows, schema=LOGS, orient="row")


def test_lines_that_come_more_often_are_a_surge() -> None:
    before = [BEGINS - timedelta(minutes=n) for n in range(1, 60)]
    during = [BEGINS + timedelta(seconds=n) for n in range(60)]
    (row,) = surges(_logs(before + during), BEGINS, END).iter_rows(named=True)
    assert (row["template"], row["during"], row["first_at"]) == (
        "failed after <n> ms",
        60,
        BEGINS,
    )
    assert row["expected"] == pytest.approx(10, rel=0.05)


def test_lines_that_come_as_often_as_ever_are_no_surge() -> None:
    always = [OPENED + timedelta(minutes=n) for n in range(-60, 6)]
    assert surges(_logs(always), BEGINS, END).is_empty()


def test_one_new_line_is_no_surge() -> None:
    assert surges(_logs([OPENED]), BEGINS, END).is_empty()
