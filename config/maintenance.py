"""When a project is worked on: weekly windows in local time, and windows of one time."""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated, Any, Final, NamedTuple, Self
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, PlainSerializer, field_validator, model_validator

from config.action_parameters import Line
from config.contacts import Zone
from config.quoting import quoted, shown
from config.section import Section

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FIRST_YEAR: Final = 2000
_LAST_YEAR: Final = 2200
_DAY: Final = "|".join(DAYS)
_WEEKLY: Final = re.compile(
    rf"(?P<days>daily|(?:{_DAY})(?:-(?:{_DAY}))?(?:,\s*(?:{_DAY})(?:-(?:{_DAY}))?)*)\s+"
    r"(?P<from>(?:[01][0-9]|2[0-3]):[0-5][0-9])\s*-\s*"
    r"(?P<until>(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00)"
)


class Weekly(NamedTuple):
    """Days as of Monday 0, and two times of day; it ends the next day when `until` is not later."""

    days: frozenset[int]
    begins: time
    ends: time

    def on(self, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """Return from when until when the window that begins on this day lasts, in UTC.

        Where the clocks change, a time that is there twice or not at all is taken so that the
        window is rather longer than shorter: it never loses a part of what was announced.
        """
        last_day = day if self.begins < self.ends else day + timedelta(days=1)
        start = min(_instants(day, self.begins, zone))
        return start, max(_instants(last_day, self.ends, zone))


@lru_cache(maxsize=1024)
def read_weekly(text: str) -> Weekly:
    """Return what a text such as `sun 02:00-04:00` or `mon-fri, sun 22:00-06:00` says.

    Raises:
        ValueError: it is no such text; the message says what to write.
    """
    found = _WEEKLY.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError(
            'must be days and times, as "sun 02:00-04:00", "mon-fri 22:00-06:00"'
            f' or "daily 03:00-03:30", got {quoted(text)}'
        )
    if found["from"] == found["until"]:
        raise ValueError("must not end at the minute when it begins")
    until = "00:00" if found["until"] == "24:00" else found["until"]
    return Weekly(
        days=frozenset(_days(found["days"])),
        begins=time.fromisoformat(found["from"]),
        ends=time.fromisoformat(until),
    )


def _read_instant(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        at = datetime.fromisoformat(value.strip())
    except ValueError:
        raise ValueError(
            f"must be a date and time, as 2026-01-31T22:00Z, got {quoted(value)}"
        ) from None
    if not _FIRST_YEAR <= at.year <= _LAST_YEAR:
        raise ValueError(f"must be from {_FIRST_YEAR} to {_LAST_YEAR}, got {quoted(value)}")
    return at


_Instant = Annotated[
    datetime,
    BeforeValidator(_read_instant),
    PlainSerializer(datetime.isoformat, when_used="json"),
]


class MaintenanceWindow(Section, populate_by_name=True):
    """A time when trouble is expected: `weekly`, or once `from` … `until`.

    Times without an offset of their own are local times of `timezone`.
    """

    weekly: str | None = None
    from_: _Instant | None = Field(
        default=None, validation_alias="from", serialization_alias="from"
    )
    until: _Instant | None = None
    timezone: Zone = "UTC"
    reason: Line

    @field_validator("weekly")
    @classmethod
    def _check_weekly(cls, text: str | None) -> str | None:
        if text is not None:
            read_weekly(text)
        return text

    @field_validator("from_", "until", mode="before")
    @classmethod
    def _refuse_numbers(cls, given: Any) -> Any:
        if given is not None and not isinstance(given, str | datetime):
            raise ValueError(f"must be a date and time, as 2026-01-31T22:00Z, got {shown(given)}")
        return given

    @model_validator(mode="after")
    def _be_one_kind(self) -> Self:
        once = self._once()
        if (self.weekly is None) == (once is None):
            raise ValueError("must have either weekly, or both from and until")
        if self.weekly is not None and (self.from_ or self.until):
            raise ValueError("must have either weekly, or both from and until")
        if once is not None and once[0] >= once[1]:
            raise ValueError("must have an until that is later than its from")
        return self

    def end(self, now: datetime) -> datetime | None:
        """Return until when the window lasts that `now` is in, in UTC; None when it is in none.

        `now` is timezone-aware. The end itself is not in the window.
        """
        return max((end for start, end in self._around(now) if start <= now < end), default=None)

    def _around(self, now: datetime) -> Iterator[tuple[datetime, datetime]]:
        if once := self._once():
            yield once
        if self.weekly is not None:
            weekly, zone = read_weekly(self.weekly), ZoneInfo(self.timezone)
            today = now.astimezone(zone).date()
            for day in (today + timedelta(days=offset) for offset in (-1, 0, 1)):
                if day.weekday() in weekly.days:
                    yield weekly.on(day, zone)

    def _once(self) -> tuple[datetime, datetime] | None:
        if self.from_ is None or self.until is None:
            return None
        return self._instant(self.from_), self._instant(self.until)

    def _instant(self, at: datetime) -> datetime:
        aware = at if at.tzinfo else at.replace(tzinfo=ZoneInfo(self.timezone))
        return aware.astimezone(UTC)


def current_window(windows: Iterable[MaintenanceWindow], now: datetime) -> MaintenanceWindow | None:
    """Return the window that `now` is in, of several the one that lasts longest.

    Raises:
        ValueError: `now` is naive.
    """
    if now.tzinfo is None:
        raise ValueError("now must be timezone-aware")
    ends = [(end, window) for window in windows if (end := window.end(now)) is not None]
    return max(ends, key=lambda found: found[0])[1] if ends else None


def _days(text: str) -> Iterator[int]:
    if text == "daily":
        yield from range(7)
        return
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        begin, end = DAYS.index(first), DAYS.index(last or first)
        yield from (day % 7 for day in range(begin, end + 1 if end >= begin else end + 8))


def _instants(day: date, at: time, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the instant of a local time before and after a change of clocks, mostly the same."""
    before, after = (
        datetime.combine(day, at, zone).replace(fold=fold).astimezone(UTC) for fold in (0, 1)
    )
    return before, after
