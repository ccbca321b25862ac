"""From what is written under `when`, `any` and `unless` to tests."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from rules.language.operands import Asked, read_list, read_operand, read_scalar
from rules.language.place import Place
from rules.language.vocabulary import OPERATORS, SIGNAL, Vocabulary, unknown_operator
from rules.rule import Condition, Operator, Test, When

ANY_KIND: Final = "any"
_MOST_TESTS: Final = 20
_MOST_ALTERNATIVES: Final = 32


def read_when(place: Place, rule: Mapping[str, Any]) -> When | None:
    """Return the demands of a rule on its signal; the kind of the incident is one of them."""
    before = len(place.faults)
    given = rule.get("when")
    kinds: tuple[str, ...] | None = None
    tests: Condition = ()
    if isinstance(given, dict):
        kinds = _read_kinds(place.into("when"), given)
        rest = {name: asked for name, asked in given.items() if name != "kind"}
        tests = read_condition(place.into("when"), rest, SIGNAL)
    one_of = _read_conditions(place, rule, "any")
    none_of = _read_conditions(place, rule, "unless")
    if len(place.faults) == before:
        _check_alternatives(place, one_of, none_of)
    if len(place.faults) > before:
        return None
    return When(kinds=kinds, all=tests, any=one_of, unless=none_of)


def read_condition(place: Place, given: Mapping[str, Any], fields: Vocabulary) -> Condition:
    """Return the tests of a mapping from fields to values or operators."""
    tests = tuple(
        test for name, asked in given.items() for test in _read_field(place, name, asked, fields)
    )
    if len(tests) > _MOST_TESTS:
        place.refuse(f"must have at most {_MOST_TESTS} tests, got {len(tests)}")
    return tests


def _read_field(place: Place, name: str, given: object, fields: Vocabulary) -> Iterator[Test]:
    here = place.into(name)
    kind = fields.kind_of(name)
    if kind is None:
        here.refuse(fields.unknown(name))
        return
    asked = Asked(kind, fields.choices.get(name, ()))
    for operator, value, at in _operators(here, given, asked):
        operand = read_operand(at, operator, value, asked)
        if operand is not None:
            yield Test(field=name, operator=operator, operand=operand)


def _operators(
    place: Place, given: object, asked: Asked
) -> Iterator[tuple[Operator, object, Place]]:
    """Yield each operator with its operand; a value by itself is `eq`, a list is `in`."""
    if given is None:
        place.refuse("must be a value, got nothing: write {exists: false} for one that is missing")
    elif isinstance(given, list):
        yield "in", given, place
    elif not isinstance(given, dict):
        yield "eq", given, place
    elif not given:
        place.refuse(f"must have an operator: {', '.join(OPERATORS[asked.kind])}")
    else:
        yield from _known_operators(place, given, asked)


def _known_operators(
    place: Place, given: Mapping[str, object], asked: Asked
) -> Iterator[tuple[Operator, object, Place]]:
    known = {str(operator): operator for operator in OPERATORS[asked.kind]}
    for word, value in given.items():
        if operator := known.get(word):
            yield operator, value, place.into(word)
        else:
            place.into(word).refuse(unknown_operator(word, asked.kind))


def _read_kinds(place: Place, given: Mapping[str, Any]) -> tuple[str, ...] | None:
    here, value = place.into("kind"), given.get("kind")
    if value is None:
        here.refuse(f"is missing: a kind such as cpu, a list of kinds, or {ANY_KIND}")
    elif isinstance(value, dict):
        here.refuse("must be a kind, a list of kinds or any: write other tests of it under any")
    elif value != ANY_KIND:
        text = Asked("text")
        if not isinstance(value, list):
            return (str(read_scalar(here, value, text)),)
        kinds = read_list(here, value, text) or ()
        if ANY_KIND in kinds:
            here.refuse(f"must not have {ANY_KIND} in a list: write kind: {ANY_KIND}")
        return tuple(map(str, kinds))
    return None


def _read_conditions(place: Place, rule: Mapping[str, Any], key: str) -> tuple[Condition, ...]:
    given = rule.get(key)
    if given == []:
        place.into(key).refuse("must have at least one condition, or not be there")
    conditions = []
    for here, condition in place.items(key, rule):
        if not condition:
            here.refuse(f"must have at least one field: there are {', '.join(SIGNAL.fields)}")
        conditions.append(read_condition(here, condition, SIGNAL))
    return tuple(conditions)


def _check_alternatives(
    place: Place, one_of: tuple[Condition, ...], none_of: tuple[Condition, ...]
) -> None:
    """Refuse more alternatives than the engine takes: each of `any` times each way out of unless.

    A condition of `unless` fails to hold in as many ways as it has tests.
    """
    count = max(1, len(one_of)) * math.prod(len(condition) for condition in none_of)
    if count > _MOST_ALTERNATIVES:
        key = "any" if len(one_of) > 1 else "unless"
        factors = [f"{len(one_of)} of any"] if one_of else []
        factors += [f"{len(condition)} of unless" for condition in none_of if len(condition) > 1]
        place.into(key).refuse(
            f"must make at most {_MOST_ALTERNATIVES} alternatives,"
            f" got {count} ({' x '.join(factors)}): write two rules"
        )
