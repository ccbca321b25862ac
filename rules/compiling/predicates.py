"""Tests that the engine cannot be trusted with, as Python functions of a field's value.

Their result goes into the network as an attribute: lists, negations, tags, patterns.
"""

import fnmatch
import re
from collections.abc import Callable, Collection
from typing import Final, assert_never

from rules.compiling.cleaning import Fields
from rules.facts import FieldValue
from rules.rule import Arithmetic, Field, Operand, Term, Test

Predicate = Callable[[FieldValue], bool]
_TERMS: Final = (Field, Arithmetic)


def term_of(operand: Operand) -> Term | None:
    """Return the operand when it has to be calculated from the signal's fields."""
    return operand if isinstance(operand, _TERMS) else None


def calculate(term: Term, signal: Fields) -> float | None:
    """Return a term's value, which may be infinite or no number; None with a field missing."""
    match term:
        case Field(name):
            value = signal.get(name)
            return value if isinstance(value, float) else None
        case Arithmetic(operator, left_term, right_term):
            left, right = calculate(left_term, signal), calculate(right_term, signal)
            if left is None or right is None:
                return None
            return combine(operator, left, right)
        case number:
            return number


def combine(operator: str, left: float, right: float) -> float:
    """Return the sum, the difference or the product, as floats have them: without errors."""
    if operator == "+":
        return left + right
    return left - right if operator == "-" else left * right


def test_of(test: Test) -> Callable[[Fields, Fields], bool]:
    """Return a test as a function of the fields that it is about and of the signal's."""
    name, term = test.field, term_of(test.operand)
    if term is None:
        predicate = predicate_of(test)
        return lambda fields, _: predicate(fields.get(name))
    operator = test.operator

    def compare(fields: Fields, signal: Fields) -> bool:
        number = calculate(term, signal)
        if number is None:
            return operator == "ne"
        return predicate_of(Test(field=name, operator=operator, operand=number))(fields.get(name))

    return compare


def predicate_of(test: Test) -> Predicate:
    """Return a test of a value, None for one that is missing; the operand is no term."""
    operand = test.operand
    match test.operator:
        case "exists":
            return lambda value: (value is not None) == operand
        case "ne" | "not_in":
            holds = _membership(_collection(operand))
            return lambda value: not holds(value)
        case "eq" | "in":
            return _membership(_collection(operand))
        case "gt" | "gte" | "lt" | "lte":
            return _comparison(test.operator, operand)
        case "glob":
            return _search(re.compile(fnmatch.translate(str(operand))).match)
        case "regex":
            return _search(re.compile(operand).search if isinstance(operand, str) else _of(operand))
        case _:
            assert_never(test.operator)


def _collection(operand: Operand) -> Collection[object]:
    return frozenset(operand if isinstance(operand, tuple) else (operand,))


def _membership(wanted: Collection[object]) -> Predicate:
    def holds(value: FieldValue) -> bool:
        if isinstance(value, tuple):
            return any(tag in wanted for tag in value)
        return value is not None and value in wanted

    return holds


def _comparison(operator: str, operand: Operand) -> Predicate:
    assert isinstance(operand, float | int)
    bound = float(operand)
    compare: Callable[[float], bool] = {
        "gt": lambda number: number > bound,
        "gte": lambda number: number >= bound,
        "lt": lambda number: number < bound,
        "lte": lambda number: number <= bound,
    }[operator]
    return lambda value: isinstance(value, float) and compare(value)


def _search(search: Callable[[str], object]) -> Predicate:
    def holds(value: FieldValue) -> bool:
        texts = value if isinstance(value, tuple) else (value,)
        return any(isinstance(text, str) and search(text) is not None for text in texts)

    return holds


def _of(operand: Operand) -> Callable[[str], object]:
    assert isinstance(operand, re.Pattern)
    return operand.search
