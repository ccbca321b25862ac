"""Arithmetic, calculated as far as it can be, and written out again."""

from typing import Final

from rules.rule import Arithmetic, Field, Term

MOST_NUMBER: Final = 2.0**53
"""Numbers are smaller than this: beyond it they are no longer exact."""


class ExpressionError(ValueError):
    """A text is no expression; the message has the column, counted from 1."""

    def __init__(self, column: int, problem: str) -> None:
        self.column = column
        super().__init__(f"column {column}: {problem}")


def format_expression(term: Term) -> str:
    """Return the text that `parse_expression` reads as this term."""
    return f"= {_format(term)}"


def fold(term: Term) -> Term:
    """Return the term with what has no field in it calculated."""
    if not isinstance(term, Arithmetic):
        return term
    left, right = fold(term.left), fold(term.right)
    if not (isinstance(left, float) and isinstance(right, float)):
        return Arithmetic(term.operator, left, right)
    match term.operator:
        case "+":
            number = left + right
        case "-":
            number = left - right
        case "*":
            number = left * right
    if abs(number) >= MOST_NUMBER:
        raise ExpressionError(1, "must not be calculated to 2^53 or more")
    return number


def _format(term: Term, strength: int = 0) -> str:
    match term:
        case Field(name):
            return name
        case Arithmetic(operator, left, right):
            own = 2 if operator == "*" else 1
            text = f"{_format(left, own)} {operator} {_format(right, own + 1)}"
            return f"({text})" if own < strength else text
        case number:
            return repr(number).removesuffix(".0")
