"""The attributes of what goes into a network: typed projections of a field.

| attribute | what it holds |
|---|---|
| `n:value`, `s:kind`, `b:down` | the number, the text, the flag; null when missing |
| `x:value` | whether the field is there |
| `c:value` | the number to compare with the signal; 0 when missing, as null would abort |
| `k:project` | what is the same or differs; a mark that nothing equals when missing |
| `t:3` | a term, calculated from the signal; with `y:3`, whether it could be calculated |
| `p:7` | what came out of a test in Python |
"""

import hashlib
import math
import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from rules.compiling.cleaning import Fields
from rules.compiling.predicates import calculate
from rules.durable_json import number_json
from rules.facts import FieldValue
from rules.rule import Term

Encode = Callable[[Fields, Fields], str]
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./:@ -]{1,80}")
_LARGEST: Final = 1e308


@dataclass(frozen=True, slots=True)
class Column:
    """An attribute by name, and its JSON, from the message's own fields and the signal's."""

    name: str
    encode: Encode = field(compare=False)


@lru_cache(maxsize=8192)
def token(text: str) -> str:
    """Return what stands for a text: itself when it is plain ASCII, otherwise its hash.

    The engine compares bytes as they are in the JSON, escapes and all.
    """
    if _PLAIN.fullmatch(text):
        return text
    return "~" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def number(name: str) -> Column:
    def encode(fields: Fields, _: Fields) -> str:
        value = fields.get(name)
        return number_json(value) if isinstance(value, float) else "null"

    return Column(f"n:{token(name)}", encode)


def text(name: str) -> Column:
    def encode(fields: Fields, _: Fields) -> str:
        value = fields.get(name)
        return f'"{token(value)}"' if isinstance(value, str) else "null"

    return Column(f"s:{token(name)}", encode)


def flag(name: str) -> Column:
    def encode(fields: Fields, _: Fields) -> str:
        value = fields.get(name)
        return _boolean(value) if isinstance(value, bool) else "null"

    return Column(f"b:{token(name)}", encode)


def presence(name: str) -> Column:
    return Column(f"x:{token(name)}", lambda fields, _: _boolean(name in fields))


def compared(name: str) -> Column:
    def encode(fields: Fields, _: Fields) -> str:
        value = fields.get(name)
        return number_json(value) if isinstance(value, float) else "0.0"

    return Column(f"c:{token(name)}", encode)


def key(name: str, missing: str) -> Column:
    """Return what a field is compared by in a join; nothing equals the mark of a missing one."""
    return Column(f"k:{token(name)}", lambda fields, _: f'"{_key(fields.get(name), missing)}"')


def term_value(at: str, term: Term) -> Column:
    def encode(_: Fields, signal: Fields) -> str:
        value = calculate(term, signal)
        if value is None or math.isnan(value):
            return "0.0"
        return number_json(max(-_LARGEST, min(_LARGEST, value)))

    return Column(f"t:{at}", encode)


def term_presence(at: str, term: Term) -> Column:
    def encode(_: Fields, signal: Fields) -> str:
        value = calculate(term, signal)
        return _boolean(value is not None and not math.isnan(value))

    return Column(f"y:{at}", encode)


def computed(at: str, holds: Callable[[Fields, Fields], bool]) -> Column:
    return Column(f"p:{at}", lambda fields, signal: _boolean(holds(fields, signal)))


class Numbering:
    """Short names for tests and terms; the same one has the same name everywhere."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, str] = {}

    def of(self, *what: Hashable) -> str:
        return self._numbers.setdefault(what, str(len(self._numbers)))


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _key(value: FieldValue, missing: str) -> str:
    match value:
        case str():
            return token(value)
        case bool():
            return f"~{_boolean(value)}"
        case float():
            return f"~{number_json(value)}"
        case _:
            return f"~{missing}"
