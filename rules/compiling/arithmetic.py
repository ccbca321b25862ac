"""Arithmetic as the engine has it: `$add`, `$sub` and `$mul` over the signal's attributes."""

import math
from collections.abc import Iterator

from rules.compiling import columns
from rules.compiling.predicates import combine
from rules.rule import Arithmetic, Field, Term


def fold(term: Term) -> Term:
    """Return the term with what has no field in it calculated: the engine would not."""
    if not isinstance(term, Arithmetic):
        return term
    left, right = fold(term.left), fold(term.right)
    if isinstance(left, float | int) and isinstance(right, float | int):
        return combine(term.operator, float(left), float(right))
    return Arithmetic(term.operator, left, right)


def expression_of(term: Term) -> object:
    """Return a term as a part of a condition on the signal."""
    match term:
        case Field(name):
            return {"$m": columns.number(name).name}
        case Arithmetic(operator, left, right):
            word = {"+": "$add", "-": "$sub", "*": "$mul"}[operator]
            return {word: {"$l": expression_of(left), "$r": expression_of(right)}}
        case constant:
            return float(constant)


def fields_of(term: Term) -> Iterator[str]:
    """Yield the names of the fields in a term."""
    match term:
        case Field(name):
            yield name
        case Arithmetic(_, left, right):
            yield from fields_of(left)
            yield from fields_of(right)


def is_finite(term: Term) -> bool:
    """Tell whether every number in a term is one that can be written."""
    match term:
        case Field():
            return True
        case Arithmetic(_, left, right):
            return is_finite(left) and is_finite(right)
        case constant:
            return math.isfinite(constant)
