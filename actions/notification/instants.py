"""Instants in texts for people: written in one form, shown on the clock of whoever reads them."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

_WRITTEN: Final = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def written(instant: datetime) -> str:
    """Return an instant to the second, in the form that `shown` knows: `2026-01-31T12:00:00Z`."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z"


def shown(text: str, show: Callable[[datetime], str]) -> str:
    """Return a text with every instant in it as `show` writes it; what is no date stays."""
    return _WRITTEN.sub(lambda found: _show(found[0], show), text)


def _show(text: str, show: Callable[[datetime], str]) -> str:
    try:
        return show(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return text
