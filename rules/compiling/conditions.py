"""From tests to conditions of the network, and the attributes that these need."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from rules.compiling import columns
from rules.compiling.alternatives import Literal
from rules.compiling.arithmetic import expression_of, fields_of, fold, is_finite
from rules.compiling.cleaning import Fields
from rules.compiling.columns import Column, Numbering
from rules.compiling.predicates import term_of, test_of
from rules.durable_host import EngineError
from rules.facts import FieldKind
from rules.rule import Operand, Term, Test

MOST_COLUMNS: Final = 60
"""Of one pattern; the tests that would need more are put together in one, in Python."""

SIGNAL: Final = "signal"
"""What patterns of facts call the message of the signal."""

_COMPARISONS: Final = frozenset({"eq", "gt", "gte", "lt", "lte"})
KindOf = Callable[[str], FieldKind | None]


@dataclass(frozen=True, slots=True)
class Piece:
    """Conditions of a pattern, with the attributes of its message and of the signal's."""

    conditions: tuple[dict[str, Any], ...]
    columns: tuple[Column, ...] = ()
    signal_columns: tuple[Column, ...] = ()
    guards: tuple[dict[str, Any], ...] = ()
    """What the signal's own pattern must demand for this one to be safe."""


def join_pieces(pieces: Iterable[Piece]) -> Piece:
    """Return all pieces as one, without repetitions."""
    every = list(pieces)
    return Piece(
        _unique(condition for piece in every for condition in piece.conditions),
        tuple(dict.fromkeys(column for piece in every for column in piece.columns)),
        tuple(dict.fromkeys(column for piece in every for column in piece.signal_columns)),
        _unique(guard for piece in every for guard in piece.guards),
    )


def pieces_of(
    literals: Iterable[Literal],
    piece_of: Callable[[Literal], Piece],
    numbering: Numbering,
) -> Iterator[Piece]:
    """Yield the literals as pieces, and from the limit of columns on the rest as one."""
    waiting = list(literals)
    used: set[Column] = set()
    while waiting:
        piece = piece_of(waiting[0])
        needed = used | {*piece.columns, *piece.signal_columns}
        if len(needed) > MOST_COLUMNS:
            yield computed_piece(tuple(waiting), numbering)
            return
        used = needed
        del waiting[0]
        yield piece


def computed_piece(literals: tuple[Literal, ...], numbering: Numbering) -> Piece:
    """Return literals that are tested in Python; one alone is shared with its negation."""
    if len(literals) == 1:
        test, wanted = literals[0]
        column = columns.computed(numbering.of(test), test_of(test))
        return Piece(({column.name: wanted},), (column,))
    tests = [(test_of(literal.test), literal.wanted) for literal in literals]

    def holds(fields: Fields, signal: Fields) -> bool:
        return all(test(fields, signal) == wanted for test, wanted in tests)

    column = columns.computed(numbering.of(*literals), holds)
    return Piece(({column.name: True},), (column,))


def signal_piece(literal: Literal, kind_of: KindOf, numbering: Numbering) -> Piece:
    """Return a test of the signal.

    What the engine can compare is compared there, arithmetic too, as long as every field in it
    is there; negations are not, as the engine finds a missing field neither equal nor unequal.
    """
    test, wanted = literal
    kind = _kind(test, kind_of)
    term = term_of(test.operand)
    if test.operator == "exists" or (wanted and term is None):
        if piece := plain_piece(literal, kind):
            return piece
    elif wanted and test.operator in _COMPARISONS and term is not None:
        folded = fold(term)
        if isinstance(folded, float):
            return signal_piece(Literal(replace(test, operand=folded)), kind_of, numbering)
        if is_finite(folded):
            return _arithmetic(test, folded)
    return computed_piece((literal,), numbering)


def fact_piece(literal: Literal, kind_of: KindOf, numbering: Numbering) -> Piece:
    """Return a test of a fact; a term in it is calculated in Python and goes with the signal.

    The engine aborts when a value that is missing is compared with one of another message, so
    both sides have a number in its place and are guarded by whether the number is real.
    """
    test = literal.test
    kind, term = _kind(test, kind_of), term_of(test.operand)
    if term is None:
        return plain_piece(literal, kind) or computed_piece((literal,), numbering)
    if test.operator not in _COMPARISONS:
        return computed_piece((literal,), numbering)
    at = numbering.of("term", term)
    here, there = columns.compared(test.field), columns.presence(test.field)
    value, is_known = columns.term_value(at, term), columns.term_presence(at, term)
    return Piece(
        ({there.name: True}, comparison(test.operator, here.name, {SIGNAL: value.name})),
        (here, there),
        (value, is_known),
        ({is_known.name: True},),
    )


def plain_piece(literal: Literal, kind: FieldKind) -> Piece | None:
    """Return a test that the engine can do alone: presence, equality, a bound."""
    test, operand = literal.test, literal.test.operand
    if test.operator == "exists":
        column = columns.presence(test.field)
        return Piece(({column.name: bool(operand) == literal.wanted},), (column,))
    if test.operator == "eq" and kind == "text" and isinstance(operand, str):
        column = columns.text(test.field)
        return Piece(({column.name: columns.token(operand)},), (column,))
    if test.operator == "eq" and kind == "flag" and isinstance(operand, bool):
        column = columns.flag(test.field)
        return Piece(({column.name: operand},), (column,))
    bound = _finite(operand) if kind == "number" else None
    if test.operator in _COMPARISONS and bound is not None:
        column = columns.number(test.field)
        return Piece((comparison(test.operator, column.name, bound),), (column,))
    return None


def comparison(operator: str, name: str, right: object) -> dict[str, Any]:
    return {name: right} if operator == "eq" else {f"${operator}": {name: right}}


def _arithmetic(test: Test, term: Term) -> Piece:
    """Return a comparison with a term; a field of it that is missing must stop it beforehand."""
    guards = [columns.presence(name) for name in dict.fromkeys(fields_of(term))]
    value = columns.number(test.field)
    numbers = [columns.number(name) for name in dict.fromkeys(fields_of(term))]
    return Piece(
        (
            *({guard.name: True} for guard in guards),
            comparison(test.operator, value.name, expression_of(term)),
        ),
        (value, *guards, *numbers),
    )


def _finite(operand: Operand) -> float | None:
    if isinstance(operand, bool) or not isinstance(operand, float | int):
        return None
    return float(operand) if math.isfinite(operand) else None


def _kind(test: Test, kind_of: KindOf) -> FieldKind:
    kind = kind_of(test.field)
    if kind is None:
        raise EngineError(f"There is no field {test.field}")
    return kind


def _unique(conditions: Iterable[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    return tuple({repr(condition): condition for condition in conditions}.values())
