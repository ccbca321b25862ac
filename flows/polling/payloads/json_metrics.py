"""Metrics in a JSON document: flat, nested, or as lists of names and values."""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Final

from flows.polling.payloads.series import Intake, Series, SeriesBook

_DEEPEST: Final = 10
_MOST_VALUES: Final = 100_000
_NAME_KEYS: Final = ("name", "metric", "key")
_NO_LABELS: Final[Mapping[str, str]] = {}
_LABEL_KEYS: Final = ("labels", "tags", "dimensions")
_LISTS_OF_METRICS: Final = frozenset({"data", "metrics", "samples", "series", "values"})


def take(document: Any, book: SeriesBook, intake: Intake) -> None:
    """Put the numbers and booleans of a document, whose numbers are all floats, into `intake`.

    Nested keys are joined with ".", places in a list count as keys. Objects in a list like
    `{"name": …, "value": …, "labels": {…}}` are one series each. What is further out comes
    first. What is nested more than 10 deep, or comes after 100,000 values, is not read.
    """
    known = book.known
    containers = deque([(0, "", document)])
    values = 0
    while containers:
        depth, prefix, container = containers.popleft()
        for key, value in _members(container):
            name = f"{prefix}.{key}" if prefix else key
            values += 1
            if values > _MOST_VALUES:
                intake.notes.append(f"only the first {_MOST_VALUES:,} values were read")
                return
            if isinstance(value, (float, bool)):
                series = known.get(name) or _met(name, _NO_LABELS, name, book, intake)
                if series is not None:
                    intake.add(series, float(value))
            elif isinstance(value, dict) and isinstance(container, list) and _describes(value):
                _take_described(prefix, value, book, intake)
            elif isinstance(value, (dict, list)) and depth < _DEEPEST:
                containers.append((depth + 1, name, value))


def _members(container: dict[str, Any] | list[Any]) -> Iterable[tuple[str, Any]]:
    if isinstance(container, dict):
        return container.items()
    return ((str(place), value) for place, value in enumerate(container))


def _met(
    name: str, labels: Mapping[str, str], raw: str, book: SeriesBook, intake: Intake
) -> Series | None:
    """Return a series that the book does not know, None when there is no room for it."""
    minor = book.passable.get(name)
    if minor is None and intake.is_full(minor=False):
        minor = book.assess(name)
    if minor is not None and intake.is_full(minor=minor):
        intake.passed_over += 1
        return None
    return book.series(raw, name, labels)


def _describes(item: dict[str, Any]) -> bool:
    return "value" in item and any(isinstance(item.get(key), str) for key in _NAME_KEYS)


def _take_described(prefix: str, item: dict[str, Any], book: SeriesBook, intake: Intake) -> None:
    """Take the series that an item of a list describes; its value may be a text like "1.5"."""
    try:
        value = float(item["value"])
    except (TypeError, ValueError):
        return
    name = next(item[key] for key in _NAME_KEYS if isinstance(item.get(key), str))
    if prefix and prefix.rpartition(".")[2] not in _LISTS_OF_METRICS:
        name = f"{prefix}.{name}"
    told: Any = next((item[key] for key in _LABEL_KEYS if isinstance(item.get(key), dict)), {})
    labels = {label: text for label, text in told.items() if isinstance(text, str)}
    raw = f"{name}{labels}" if labels else name
    series = book.known.get(raw) or _met(name, labels, raw, book, intake)
    if series is not None:
        intake.add(series, value)
