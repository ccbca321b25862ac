"""Arithmetic over the signal's numbers: `= baseline * 1.5 + 5`."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from config.sentences import suggestion
from rules.facts import METRICS, SIGNAL_FIELDS, signal_field_kind
from rules.language.terms import MOST_NUMBER, ExpressionError, fold
from rules.rule import Arithmetic, Field, Term

_MOST_CHARACTERS: Final = 200
_MOST_OPERANDS: Final = 30
_MOST_PARENTHESES: Final = 10
_TOKEN: Final = re.compile(
    r"(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_.:]*)"
    r"|(?P<symbol>[-+*()])"
    r"|(?P<space>\s+)",
)
_NUMBERS: Final = [name for name, kind in SIGNAL_FIELDS.items() if kind == "number"]


class _Token(NamedTuple):
    kind: str
    text: str
    column: int


def parse_expression(text: str) -> Term:
    """Return what a text such as `= baseline * 1.5 + 5` says, calculated where it is constant.

    There are numbers, the signal's number fields, + - * and parentheses, as usual.

    Raises:
        ExpressionError: it is none, or too long, or it has an unknown field.
    """
    if len(text) > _MOST_CHARACTERS:
        raise ExpressionError(
            _MOST_CHARACTERS + 1, f"must be at most {_MOST_CHARACTERS} characters"
        )
    start = len(text) - len(text.lstrip()) + 1
    if not text.startswith("=", start - 1):
        raise ExpressionError(start, "must begin with =")
    return fold(_Parser(list(_tokens(text, start))).finish())


def _tokens(text: str, position: int) -> Iterator[_Token]:
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise ExpressionError(position + 1, _unreadable(text[position:]))
        if found.lastgroup != "space":
            yield _Token(str(found.lastgroup), found[0], position + 1)
        position = found.end()
    yield _Token("end", "", len(text) + 1)


def _unreadable(rest: str) -> str:
    if rest.startswith("/"):
        return "there is no division, which could be by zero: multiply, as * 0.5 for / 2"
    return f"must have numbers, fields, + - * and parentheses, got {rest[0]!r}"


class _Parser:
    """One walk through the tokens: sums of products of factors."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._position = 0
        self._operands = 0
        self._open = 0

    @property
    def _next(self) -> _Token:
        return self._tokens[self._position]

    def finish(self) -> Term:
        term = self._sum()
        if self._next.kind != "end":
            self._refuse("must have + - or * here")
        return term

    def _sum(self) -> Term:
        term = self._product()
        while self._next.text in {"+", "-"}:
            minus = self._take().text == "-"
            term = Arithmetic("-" if minus else "+", term, self._product())
        return term

    def _product(self) -> Term:
        term = self._factor()
        while self._next.text == "*":
            self._take()
            if self._next.text == "*":
                self._refuse("there are no powers: multiply")
            term = Arithmetic("*", term, self._factor())
        return term

    def _factor(self) -> Term:
        token = self._next
        if token.text == "(":
            return self._parentheses()
        self._operands += 1
        if self._operands > _MOST_OPERANDS:
            self._refuse(f"must have at most {_MOST_OPERANDS} numbers and fields")
        if token.text == "-" and self._tokens[self._position + 1].kind == "number":
            self._take()
            return -self._number()
        if token.kind == "number":
            return self._number()
        if token.kind == "name":
            return self._field()
        self._refuse("must have a number, a field or a parenthesis here")
        raise AssertionError

    def _parentheses(self) -> Term:
        opened = self._take()
        self._open += 1
        if self._open > _MOST_PARENTHESES:
            raise ExpressionError(opened.column, f"must be at most {_MOST_PARENTHESES} deep")
        term = self._sum()
        if self._next.text != ")":
            self._refuse(f"must close the parenthesis of column {opened.column}")
        self._take()
        self._open -= 1
        return term

    def _number(self) -> float:
        token = self._take()
        if float(token.text) >= MOST_NUMBER:
            raise ExpressionError(token.column, f"must be below 2^53, got {token.text}")
        return float(token.text)

    def _field(self) -> Field:
        token = self._take()
        kind = signal_field_kind(token.text)
        if kind is None:
            raise ExpressionError(token.column, f"{token.text} is not a field{_hint(token.text)}")
        if kind != "number":
            raise ExpressionError(token.column, f"{token.text} must be a number, it is {kind}")
        return Field(token.text)

    def _take(self) -> _Token:
        token = self._next
        self._position += 1
        return token

    def _refuse(self, problem: str) -> None:
        raise ExpressionError(self._next.column, problem)


def _hint(name: str) -> str:
    return suggestion(name, _NUMBERS) or f": there are {', '.join(_NUMBERS)} and {METRICS}<name>"
