"""Windows in local time: over midnight, over changes of clocks, and once."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from config.maintenance import DAYS, MaintenanceWindow, current_window, read_weekly
from config.projects_file import ProjectSpec

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/Havana",
    "Africa/Casablanca",
    "Pacific/Apia",
]
START = datetime(2020, 1, 1, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def _window(**fields: Any) -> MaintenanceWindow:
    return MaintenanceWindow.model_validate({"reason": "backup", **fields})


def _weekly(text: str, timezone: str = "UTC") -> MaintenanceWindow:
    return _window(weekly=text, timezone=timezone)


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("now", "is_in"),
    [
        ("2026-01-04T01:59:59Z", False),
        ("2026-01-04T02:00:00Z", True),
        ("2026-01-04T03:59:59Z", True),
        ("2026-01-04T04:00:00Z", False),
        ("2026-01-05T03:00:00Z", False),
    ],
)
def test_a_weekly_window_begins_at_its_time_and_ends_before_its_end(now: str, is_in: bool) -> None:
    assert (_weekly("sun 02:00-04:00").end(_at(now)) is not None) == is_in


@pytest.mark.parametrize(
    ("now", "is_in"),
    [
        ("2026-01-03T22:00Z", True),
        ("2026-01-04T05:59Z", True),
        ("2026-01-04T06:00Z", False),
        ("2026-01-04T22:00Z", False),
        ("2026-01-03T05:59Z", False),
    ],
)
def test_a_window_over_midnight_belongs_to_the_day_when_it_begins(now: str, is_in: bool) -> None:
    assert (_weekly("sat 22:00-06:00").end(_at(now)) is not None) == is_in


def test_the_times_are_local() -> None:
    window = _weekly("sun 02:00-04:00", "America/New_York")
    assert window.end(_at("2026-01-04T07:00Z")) == _at("2026-01-04T09:00Z")
    assert window.end(_at("2026-07-05T06:00Z")) == _at("2026-07-05T08:00Z")


@pytest.mark.parametrize(
    ("days", "wanted"),
    [
        ("mon", {0}),
        ("mon-fri", {0, 1, 2, 3, 4}),
        ("sat,sun", {5, 6}),
        ("fri-mon", {4, 5, 6, 0}),
        ("Mon, wed-thu", {0, 2, 3}),
        ("daily", {0, 1, 2, 3, 4, 5, 6}),
    ],
)
def test_days_are_listed_or_in_a_row(days: str, wanted: set[int]) -> None:
    assert read_weekly(f"{days} 01:00-02:00").days == wanted


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sun",
        "sun 2:00-4:00",
        "02:00-04:00",
        "sun 02:00-25:00",
        "sun mon 02:00-03:00",
        "sunday 02:00-04:00",
        "sun 24:00-02:00",
        "sun 02:60-04:00",
        "sun, 02:00-03:00",
    ],
)
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        _weekly(text)


def test_a_window_may_last_until_midnight() -> None:
    assert _weekly("sun 22:00-24:00").end(_at("2026-01-04T23:59Z")) == _at("2026-01-05T00:00Z")


class TestWhenTheClocksChange:
    """In Berlin 02:00 becomes 03:00 on 2026-03-29, and 03:00 becomes 02:00 on 2026-10-25."""

    @pytest.mark.parametrize(
        ("text", "begins", "ends"),
        [
            ("sun 01:00-04:00", "2026-03-29T00:00Z", "2026-03-29T02:00Z"),
            ("sun 01:30-02:30", "2026-03-29T00:30Z", "2026-03-29T01:30Z"),
            ("sun 02:30-03:00", "2026-03-29T00:30Z", "2026-03-29T01:00Z"),
            ("sun 01:00-03:00", "2026-10-24T23:00Z", "2026-10-25T02:00Z"),
            ("sun 02:30-03:30", "2026-10-25T00:30Z", "2026-10-25T02:30Z"),
            ("sun 01:30-02:30", "2026-10-24T23:30Z", "2026-10-25T01:30Z"),
        ],
    )
    def test_a_window_is_rather_longer_than_shorter(
        self, text: str, begins: str, ends: str
    ) -> None:
        day = _at(ends).astimezone(BERLIN).date()
        assert read_weekly(text).on(day, BERLIN) == (_at(begins), _at(ends))


_times = st.times().map(lambda at: at.replace(second=0, microsecond=0))


@settings(deadline=None)
@given(st.dates(date(2020, 1, 1), date(2035, 1, 1)), _times, _times, st.sampled_from(ZONES))
def test_a_window_never_loses_a_part_of_what_was_announced(
    day: date, begins: time, ends: time, timezone: str
) -> None:
    if begins == ends:
        return
    window = _weekly(f"{DAYS[day.weekday()]} {begins:%H:%M}-{ends:%H:%M}", timezone)
    zone = ZoneInfo(timezone)
    start, end = read_weekly(str(window.weekly)).on(day, zone)
    said = datetime.combine(day, ends) - datetime.combine(day, begins)
    said += timedelta(days=1) if said < timedelta() else timedelta()
    assert start < end
    assert said - timedelta(hours=1) <= end - start <= said + timedelta(hours=2)
    middle = start + (end - start) / 2
    assert window.end(start) is not None
    assert window.end(middle) is not None
    assert window.end(end - timedelta(microseconds=1)) == end or said > timedelta(hours=22)


@settings(deadline=None)
@given(
    st.integers(0, 15 * 365 * 1440).map(lambda minutes: START + timedelta(minutes=minutes)),
    _times,
    _times,
    st.sampled_from(ZONES),
)
def test_who_looks_at_the_clock_on_the_wall_agrees(
    now: datetime, begins: time, ends: time, timezone: str
) -> None:
    """Apart from the hours around a change of clocks, a daily window is what the wall says."""
    zone = ZoneInfo(timezone)
    offsets = {
        (now + timedelta(hours=hours)).astimezone(zone).utcoffset() for hours in (-26, 0, 26)
    }
    if begins == ends or len(offsets) > 1:
        return
    wall = now.astimezone(zone).time()
    inside = begins <= wall < ends if begins < ends else wall >= begins or wall < ends
    window = _weekly(f"daily {begins:%H:%M}-{ends:%H:%M}", timezone)
    assert (window.end(now) is not None) == inside


def test_a_window_of_one_time_is_over_for_good() -> None:
    window = _window(**{"from": "2026-01-01T00:00Z", "until": "2026-01-01T04:00+01:00"})
    assert window.end(_at("2026-01-01T02:59Z")) == _at("2026-01-01T03:00Z")
    assert window.end(_at("2026-01-01T03:00Z")) is None
    assert window.end(_at("2026-01-08T02:00Z")) is None


def test_a_time_without_an_offset_is_local() -> None:
    window = _window(
        **{"from": "2026-07-01T22:00", "until": "2026-07-02T06:00"}, timezone="Europe/Berlin"
    )
    assert window.end(_at("2026-07-01T20:00Z")) == _at("2026-07-02T04:00Z")


@pytest.mark.parametrize(
    "instant", ["0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00", "2026", 1767225600, True]
)
def test_an_instant_that_no_calendar_needs_is_refused(instant: object) -> None:
    with pytest.raises(ValidationError):
        _window(**{"from": instant, "until": "2026-01-01T00:00Z"})


def test_of_several_windows_the_one_that_lasts_longest_is_told() -> None:
    short, long = _weekly("daily 00:00-12:00"), _weekly("daily 00:00-24:00")
    now = _at("2026-01-01T06:00Z")
    assert current_window([short, long, short], now) is long
    assert current_window([short], _at("2026-01-01T13:00Z")) is None
    assert current_window([], now) is None


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="timezone-aware"):
        current_window([], datetime(2026, 1, 1))  # noqa: DTZ001


def test_windows_read_back_from_their_json() -> None:
    windows = [
        {"weekly": "sun 02:00-04:00", "timezone": "Europe/Berlin", "reason": "backup"},
        {"from": "2026-01-01T00:00", "until": "2026-01-01T04:00Z", "reason": "move"},
    ]
    spec = ProjectSpec.model_validate({"name": "a", "url": "http://a", "maintenance": windows})
    assert ProjectSpec.model_validate(spec.model_dump(mode="json", by_alias=True)) == spec
    assert len(spec.maintenance) == 2
