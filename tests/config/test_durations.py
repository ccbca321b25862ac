from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.durations import format_duration, parse_duration

_MOST = timedelta(days=36_500)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("0s", 0),
        ("10s", 10),
        ("1m30s", 90),
        ("1.5h", 5400),
        ("2h", 7200),
        ("30d", 2_592_000),
        ("1d2h3m4s5ms", 93_784.005),
        (" 5m ", 300),
    ],
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    ["", "10", "s", "10 s", "30s1m", "1m1m", "-5s", "5S", "1w", "5sec", "٣s", "1e3s", "5s\n6s"],
)
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be a duration such as 10s, 500ms or 1m30s, got"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["36501d", "999999999999d"])
def test_a_duration_beyond_a_century_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="at most 36500d"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(), "0s"),
        (timedelta(milliseconds=250), "250ms"),
        (timedelta(microseconds=1), "0.001ms"),
        (timedelta(seconds=1.5), "1.5s"),
        (timedelta(seconds=90), "1m30s"),
        (timedelta(hours=1), "1h"),
        (timedelta(days=1, seconds=5), "1d5s"),
        (timedelta(minutes=1, milliseconds=50), "1m0.05s"),
        (timedelta(seconds=-90), "-1m30s"),
    ],
)
def test_a_duration_is_written_short(duration: timedelta, text: str) -> None:
    assert format_duration(duration) == text


@given(st.timedeltas(min_value=timedelta(), max_value=_MOST))
def test_every_duration_reads_back_as_written(duration: timedelta) -> None:
    assert parse_duration(format_duration(duration)) == duration
