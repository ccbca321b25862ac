"""Bodies of answers as text and as JSON."""

import json
from typing import Any, Final

NOT_JSON: Final = object()
"""What `load_json` returns for text that is no JSON; None is what `null` says."""

_MAX_INTEGER_DIGITS = 300


def decode_body(body: bytes) -> tuple[str, bool]:
    """Return the text without its byte order mark, and whether it was valid UTF-8."""
    try:
        return body.decode().removeprefix("\ufeff"), True
    except UnicodeDecodeError:
        return body.decode(errors="replace").removeprefix("\ufeff"), False


def load_json(text: str) -> Any:
    """Return the document, or `NOT_JSON` (also where it is nested too deeply to be read).

    An integer of more than 300 digits comes out as a float.
    """
    return _load(_EXACT, text)


def load_json_floats(text: str) -> Any:
    """Return the document with every number a float, or `NOT_JSON`."""
    return _load(_FLOATS, text)


def _load(decoder: json.JSONDecoder, text: str) -> Any:
    try:
        return decoder.decode(text)
    except (ValueError, RecursionError):
        return NOT_JSON


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_INTEGER_DIGITS else float(digits)


_EXACT: Final = json.JSONDecoder(parse_int=_integer)
_FLOATS: Final = json.JSONDecoder(parse_int=float)
