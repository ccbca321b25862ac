"""What rules see of a field: only what the engine and Python understand alike.

Numbers are finite and smaller than 2^53 in size, texts have at most 500 characters and no lone
surrogates. A text that is longer is cut; everything else is missing, as is what is not of the
field's own kind. A tag that is no such text is left out.
"""

import math
from collections.abc import Callable, Mapping
from typing import Final

from rules.facts import FACT_FIELDS, Fact, FieldKind, FieldValue, Signal, signal_field_kind

MOST_CHARACTERS: Final = 500
MOST_NUMBER: Final = 2.0**53
"""Numbers are smaller in size: beyond, not every whole number has a float of its own."""

Fields = Mapping[str, FieldValue]
"""Fields that are there, with clean values."""


def clean_signal(signal: Signal) -> Fields:
    """Return the fields that rules see of a signal."""
    return _clean(signal.fields, signal_field_kind)


def clean_fact(fact: Fact) -> Fields:
    """Return the fields that rules see of a fact."""
    return _clean(fact.fields, FACT_FIELDS[fact.type].get)


def _clean(fields: Fields, kind_of: Callable[[str], FieldKind | None]) -> Fields:
    cleaned: dict[str, FieldValue] = {}
    for name, value in fields.items():
        kind = None if value is None else kind_of(name)
        if kind is not None and (clean := _value(value, kind)) is not None:
            cleaned[name] = clean
    return cleaned


def _value(value: FieldValue, kind: FieldKind) -> FieldValue:
    match kind:
        case "number":
            return _number(value)
        case "text":
            return _text(value)
        case "flag":
            return value if isinstance(value, bool) else None
        case "tags":
            if not isinstance(value, tuple | list):
                return None
            texts = (_text(tag) for tag in value)
            return tuple(text for text in texts if text is not None)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return float(value) if abs(value) < MOST_NUMBER else None


def _text(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    text = value[:MOST_CHARACTERS]
    return text if text.isascii() or _is_whole(text) else None


def _is_whole(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
