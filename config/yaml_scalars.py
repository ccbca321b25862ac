"""What one YAML scalar means, with the traps of YAML 1.1 refused instead of sprung.

PyYAML follows YAML 1.1, where 010 is eight, 12:30 is 750 and 2026-01-01 is no text. Nobody who
writes a configuration file means that, so these must be put in quotes.
"""

import math
import re
from collections.abc import Callable
from typing import Final, NamedTuple

from yaml import Node, ScalarNode
from yaml.constructor import SafeConstructor

from config.quoting import plain, quoted

Plain = str | int | float | bool | None

_TAG: Final = "tag:yaml.org,2002:"
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")
_INTEGER: Final = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_DECIMAL: Final = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,4})?")
_LEADING_ZERO: Final = re.compile(r"[-+]?0[0-9]+")
_MOST_DIGITS: Final = 18


class Scalar(NamedTuple):
    """A value, and what is wrong with the way it is written, if anything.

    Where something is wrong the value is the text as written.
    """

    value: Plain
    problem: str | None = None


def read_scalar(node: ScalarNode) -> Scalar:
    """Return what a scalar means; a quoted one is always text."""
    text = node.value
    if _UNSTORABLE.search(text):
        problem = "must not hold a NUL character or half of a surrogate pair"
        return Scalar(_UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text), problem)
    read = _READERS.get(node.tag.removeprefix(_TAG))
    if read is None:
        return Scalar(text, f"{unknown_tag(node)}: use quotes for text")
    return read(text, not node.style)


def unknown_tag(node: Node) -> str:
    """Say that a tag is none of those that configuration needs."""
    return f"has the tag {plain(node.tag.replace(_TAG, '!!'))}, which is not understood"


def _read_text(text: str, bare: bool) -> Scalar:
    if bare and _LEADING_ZERO.fullmatch(text):
        return Scalar(text, f"has a leading zero: write {quoted(text)} in quotes, or the number")
    return Scalar(text)


def _read_null(text: str, bare: bool) -> Scalar:
    return Scalar(None)


def _read_bool(text: str, bare: bool) -> Scalar:
    value = SafeConstructor.bool_values.get(text.lower())
    return Scalar(text, "must be true or false") if value is None else Scalar(value)


def _read_date(text: str, bare: bool) -> Scalar:
    return Scalar(text, f"is read by YAML as a date: write {quoted(text)} in quotes")


def _read_int(text: str, bare: bool) -> Scalar:
    if _INTEGER.fullmatch(text):
        return Scalar(int(text))
    if len(text) > _MOST_DIGITS:
        return Scalar(text, "has too many digits for a number: use quotes for text")
    return Scalar(text, _another_number(text))


def _read_float(text: str, bare: bool) -> Scalar:
    if _DECIMAL.fullmatch(text) and math.isfinite(float(text)):
        return Scalar(float(text))
    if _DECIMAL.fullmatch(text) or text.strip("+-.").lower() in {"inf", "nan"}:
        return Scalar(text, f"must be a finite number, got {text[:_MOST_DIGITS]}")
    return Scalar(text, _another_number(text))


_READERS: Final[dict[str, Callable[[str, bool], Scalar]]] = {
    "str": _read_text,
    "null": _read_null,
    "bool": _read_bool,
    "timestamp": _read_date,
    "int": _read_int,
    "float": _read_float,
}


def _another_number(text: str) -> str:
    """Name the number that YAML makes of 010, 0x1f, 1_000 or 12:30, where it makes one."""
    tag = f"{_TAG}int"
    try:
        number = str(SafeConstructor().construct_yaml_int(ScalarNode(tag, text)))
    except ValueError:
        number = "in another notation"
    return f"is read by YAML as the number {number}: write {quoted(text)} in quotes for text"
