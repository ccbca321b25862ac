"""JSON as the database and the terminal see it."""

import json
import re
from datetime import datetime, timedelta
from typing import Any

_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def to_json(value: Any) -> str:
    """Return compact JSON that Postgres accepts: no NaN, no NUL, instants in ISO 8601.

    Raises:
        ValueError: a number in `value` is not finite.
    """
    text = json.dumps(value, default=_plain, separators=(",", ":"), allow_nan=False)
    return _NUL.sub(r"\1\\ufffd", text) if "\\u0000" in text else text


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, (set, frozenset, tuple)):
        return sorted(value)
    raise TypeError(f"cannot be JSON: {type(value).__name__}")
