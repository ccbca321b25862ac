"""Durations as people write them: 500ms, 10s, 1m30s, 2h, 30d."""

import re
from datetime import timedelta
from fractions import Fraction
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, PlainSerializer

from config.quoting import quoted

_UNITS_US: Final = {"d": 86_400_000_000, "h": 3_600_000_000, "m": 60_000_000, "s": 1_000_000}
_SMALL_UNITS_US: Final = {"ms": 1_000}
_NUMBER: Final = r"([0-9]{1,12}(?:\.[0-9]{1,9})?)"
_PARTS: Final = re.compile(
    "".join(f"(?:{_NUMBER}{unit})?" for unit in (*_UNITS_US, *_SMALL_UNITS_US)), re.ASCII
)
_MOST: Final = timedelta(days=36_500)
_EXAMPLES: Final = "such as 10s, 500ms or 1m30s"


def parse_duration(text: str) -> timedelta:
    """Return the duration that a text such as `1m30s` says, to the microsecond.

    Units are d, h, m, s and ms, the largest first, each at most once.

    Raises:
        ValueError: it is no such text, or more than 100 years; the message says what to write.
    """
    match = _PARTS.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        raise ValueError(f"must be a duration {_EXAMPLES}, got {quoted(text)}")
    units = (*_UNITS_US.values(), *_SMALL_UNITS_US.values())
    parts = zip(match.groups(), units, strict=True)
    total_us = round(sum(Fraction(number) * unit for number, unit in parts if number))
    if total_us > _MOST // timedelta(microseconds=1):
        raise ValueError(f"must be at most {format_duration(_MOST)}, got {quoted(text)}")
    return timedelta(microseconds=total_us)


def format_duration(duration: timedelta) -> str:
    """Return the shortest text that `parse_duration` reads as this duration; `0s` for none.

    A negative duration gets a minus sign, for people: nothing reads it back.
    """
    left_us = abs(duration) // timedelta(microseconds=1)
    text = "-" if duration < timedelta() else ""
    if 0 < left_us < _UNITS_US["s"]:
        return f"{text}{_decimal(left_us, _SMALL_UNITS_US['ms'])}ms"
    for unit in "dhm":
        count, left_us = divmod(left_us, _UNITS_US[unit])
        text += f"{count}{unit}" if count else ""
    if left_us or not duration:
        text += f"{_decimal(left_us, _UNITS_US['s'])}s"
    return text


def _decimal(amount: int, unit: int) -> str:
    whole, rest = divmod(amount, unit)
    digits = f"{rest:0{len(str(unit)) - 1}}".rstrip("0")
    return f"{whole}.{digits}" if digits else f"{whole}"


def _read(value: object) -> object:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f"must have a unit, {_EXAMPLES}, got {value}: write {value}s for seconds")
    if not isinstance(value, timedelta):
        raise ValueError(f"must be a duration {_EXAMPLES}")
    return value


Duration = Annotated[
    timedelta, BeforeValidator(_read), PlainSerializer(format_duration, when_used="json")
]
"""A timedelta that is written as text, in files and in JSON; a bare number is refused."""


def limits(least: str, most: str) -> AfterValidator:
    """Return the pydantic check that a duration is within these two, both allowed."""
    shortest, longest = parse_duration(least), parse_duration(most)

    def check(value: timedelta) -> timedelta:
        if value < shortest:
            raise ValueError(f"must be at least {least}, got {format_duration(value)}")
        if value > longest:
            raise ValueError(f"must be at most {most}, got {format_duration(value)}")
        return value

    return AfterValidator(check)
