"""JSON as the durable_rules engine reads it, which is not all of JSON."""

import json
from collections.abc import Mapping
from typing import Final

SID: Final = "0"
"""The one state of a network; the engine has room for 1,024 and fails beyond."""


def message_head(kind: str, identifier: str) -> str:
    """Return the beginning of every message: its one state, its id and its type."""
    return f'{{"sid":"{SID}","id":"{identifier}","_t":"{kind}"'


def to_json(value: object) -> str:
    """Return JSON as the engine reads it: ASCII, and no exponent without a decimal point."""
    match value:
        case bool() | None | str() | int():
            return json.dumps(value)
        case float():
            return number_json(value)
        case Mapping():
            return "{" + ",".join(f"{json.dumps(k)}:{to_json(v)}" for k, v in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(map(to_json, value)) + "]"
        case _:
            raise TypeError(f"{type(value).__name__} is not for the engine")


def number_json(number: float) -> str:
    """Return a finite number with a decimal point, which the engine's reader needs; -0 is 0."""
    text = repr(number + 0.0)
    return text if "." in text else text.replace("e", ".0e")
