"""Instants as strangers write them."""

from datetime import UTC, datetime
from typing import Any

_LONGEST_TEXT = 40
_SPELLINGS = ((",", "."), ("/", "-"), (" UTC", "Z"), (" +", "+"), (" -", "-"))
_EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)
_UNITS_PER_S = ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6), (1e20, 1e9))


def read_instant(value: Any) -> datetime | None:
    """Return the instant in UTC, or None when `value` is none between 1980 and 2200.

    Understood are ISO 8601 (without an offset it is taken as UTC) and the seconds,
    milliseconds, microseconds or nanoseconds since 1970, told apart by their size.
    """
    if isinstance(value, bool) or value is None:
        return None
    try:
        instant = _from_number(value) if isinstance(value, (int, float)) else _from_text(value)
    except (ValueError, OverflowError, OSError):
        return None
    return instant if instant is not None and _EARLIEST <= instant < _LATEST else None


def _from_number(number: float) -> datetime | None:
    for limit, units_per_s in _UNITS_PER_S:
        if 0 <= number < limit:
            return datetime.fromtimestamp(number / units_per_s, UTC)
    return None


def _from_text(text: Any) -> datetime | None:
    if not isinstance(text, str) or len(text) > _LONGEST_TEXT:
        return None
    text = text.strip()
    digits = text.replace(".", "", 1)
    if digits.isascii() and digits.isdigit() and len(digits) > len("20260101"):
        return _from_number(float(text))
    for written, iso in _SPELLINGS:
        text = text.replace(written, iso)
    instant = datetime.fromisoformat(text)
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
