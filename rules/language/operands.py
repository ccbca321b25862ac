"""What a field is compared with: a value of the field's own kind, a list, an expression."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from config.quoting import quoted
from rules.facts import FieldKind
from rules.language.expressions import parse_expression
from rules.language.patterns import compile_pattern
from rules.language.place import Place
from rules.language.terms import MOST_NUMBER, ExpressionError
from rules.rule import Operand, Operator, Scalar

MOST_CHARACTERS: Final = 200
_MOST_ITEMS: Final = 100
_NAMES: Final[Mapping[FieldKind, str]] = {
    "text": "text",
    "tags": "text",
    "number": "a number",
    "flag": "true or false",
}


class Asked(NamedTuple):
    """The field that is asked about: what it holds, and all it can hold where that is known."""

    kind: FieldKind
    choices: tuple[str, ...] = ()


def read_operand(place: Place, operator: Operator, value: object, asked: Asked) -> Operand | None:
    """Return the operand, or None after its faults were put down."""
    match operator:
        case "exists":
            return read_scalar(place, value, Asked("flag"))
        case "in" | "not_in":
            return read_list(place, value, asked)
        case "glob":
            return read_scalar(place, value, Asked("text"))
        case "regex":
            return _read_pattern(place, value)
        case "eq" | "ne" | "gt" | "gte" | "lt" | "lte":
            if isinstance(value, str) and value.lstrip().startswith("="):
                return _read_expression(place, value, asked)
            return read_scalar(place, value, asked)


def read_list(place: Place, value: object, asked: Asked) -> tuple[Scalar, ...] | None:
    """Return the values of a list, each as the field could hold it."""
    if not isinstance(value, list):
        place.refuse_type("a list, as [a, b]", value)
        return None
    if not 1 <= len(value) <= _MOST_ITEMS:
        place.refuse(f"must have 1 to {_MOST_ITEMS} values, got {len(value)}")
        return None
    read = [read_scalar(place.into(index), item, asked) for index, item in enumerate(value)]
    return tuple(dict.fromkeys(item for item in read if item is not None))


def read_scalar(place: Place, value: object, asked: Asked) -> Scalar | None:
    """Return one value of the field's kind, numbers as float."""
    match asked.kind:
        case "text" | "tags":
            return _read_text(place, value, asked)
        case "number":
            return _read_number(place, value)
        case "flag":
            if isinstance(value, bool):
                return value
            place.refuse_type(_NAMES["flag"], value)
            return None


def _read_text(place: Place, value: object, asked: Asked) -> str | None:
    if not isinstance(value, str):
        is_plain = isinstance(value, bool | int | float)
        place.refuse_type("text", value, place.in_quotes(value) if is_plain else "")
    elif len(value) > MOST_CHARACTERS:
        place.refuse(f"must be at most {MOST_CHARACTERS} characters, got {len(value)}")
    elif asked.choices and value not in asked.choices:
        place.refuse_type(f"one of {', '.join(asked.choices)}", value)
    else:
        return value
    return None


def _read_number(place: Place, value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        place.refuse_type(_NAMES["number"], value, _unquoted(value))
    elif not abs(value) < MOST_NUMBER:
        place.refuse_type("between -2^53 and 2^53", value)
    else:
        return float(value)
    return None


def _unquoted(value: object) -> str:
    try:
        float(value if isinstance(value, str) else "")
    except ValueError:
        return ""
    return ": take the quotes away"


def _read_expression(place: Place, text: str, asked: Asked) -> Operand | None:
    if asked.kind != "number":
        place.refuse(f"must not be an expression, the field is {asked.kind}, got {quoted(text)}")
        return None
    try:
        return parse_expression(text)
    except ExpressionError as error:
        place.refuse(f"must be an expression such as = baseline * 1.5 + 5: {error}")
        return None


def _read_pattern(place: Place, value: object) -> Operand | None:
    text = read_scalar(place, value, Asked("text"))
    try:
        return compile_pattern(text) if isinstance(text, str) else None
    except ValueError as error:
        place.refuse(str(error))
        return None
