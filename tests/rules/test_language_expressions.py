"""Arithmetic in rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.language.expressions import parse_expression
from rules.language.terms import ExpressionError, fold, format_expression
from rules.rule import Arithmetic, Field, Term

FIELDS = st.sampled_from(["value", "baseline", "threshold", "metrics.queue_depth"]).map(Field)
NUMBERS = st.floats(min_value=-100, max_value=100)
TERMS: st.SearchStrategy[Term] = st.recursive(
    FIELDS | NUMBERS,
    lambda terms: st.builds(Arithmetic, st.sampled_from(["+", "-", "*"]), terms, terms),
    max_leaves=6,
)


def _value(term: Term, fields: dict[str, float]) -> float:
    match term:
        case Field(name):
            return fields[name]
        case Arithmetic("+", left, right):
            return _value(left, fields) + _value(right, fields)
        case Arithmetic("-", left, right):
            return _value(left, fields) - _value(right, fields)
        case Arithmetic("*", left, right):
            return _value(left, fields) * _value(right, fields)
        case Arithmetic():
            raise AssertionError(term)
        case number:
            return number


@given(TERMS.map(fold))
def test_what_is_written_is_read_back(term: Term) -> None:
    assert parse_expression(format_expression(term)) == term


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("= baseline * 1.5 + 5", 20.0),
        ("=baseline*1.5+5", 20.0),
        ("  = 5 + baseline * 1.5", 20.0),
        ("= (baseline + 5) * 2", 30.0),
        ("= baseline - 3 - 2", 5.0),
        ("= baseline - (3 - 2)", 9.0),
        ("= -2 * baseline", -20.0),
        ("= baseline - -2", 12.0),
        ("= .5 * baseline + 1e1", 15.0),
    ],
)
def test_it_is_calculated_as_usual(text: str, value: float) -> None:
    assert _value(parse_expression(text), {"baseline": 10.0}) == value


def test_what_has_no_field_is_calculated_at_once() -> None:
    assert parse_expression("= 2 * (3 + 4)") == 14.0
    assert parse_expression("= baseline + 2 * 3") == Arithmetic("+", Field("baseline"), 6.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("baseline", "column 1: must begin with ="),
        ("=", "column 2: must have a number, a field or a parenthesis here"),
        ("= baseline 5", "column 12: must have [+] - or [*] here"),
        ("= baseline / 2", "column 12: there is no division"),
        ("= 2 + )", "column 7: must have a number"),
        ("= -baseline", "column 3: must have a number"),
        ("= 9007199254740992", "column 3: must be below 2\\^53"),
        ("= project", "column 3: project must be a number, it is text"),
        ("= " + " + ".join(["value"] * 31), "column"),
        ("= value" + " " * 300, "column 201: must be at most 200 characters"),
        ("= valeu", "did you mean value"),
        ("= wibble", "there are value, extreme"),
    ],
)
def test_what_is_no_expression_is_refused_with_its_column(text: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=message):
        parse_expression(text)


@given(st.text(alphabet="= ()+-*/.0123456789abev", max_size=60))
def test_no_text_brings_the_parser_down(text: str) -> None:
    try:
        parse_expression(text)
    except ExpressionError as error:
        assert error.column >= 1  # noqa: PT017
