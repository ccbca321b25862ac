"""Disjunctive normal form: one alternative per way in which a rule's demands can be met."""

from collections.abc import Iterator
from itertools import chain, product
from typing import Final, NamedTuple

from rules.durable_host import EngineError
from rules.rule import Rule, Test

MOST_ALTERNATIVES: Final = 32


class Literal(NamedTuple):
    """A test that must hold, or, when not `wanted`, must not."""

    test: Test
    wanted: bool = True


Alternative = tuple[Literal, ...]


def alternatives_of(rule: Rule) -> tuple[Alternative, ...]:
    """Return the alternatives of a rule on its signal; kinds and joins are apart.

    Each condition of `any` is one; a condition of `unless` fails in as many ways as it has tests.

    Raises:
        EngineError: there are more than 32.
    """
    found: dict[Alternative, None] = {}
    for alternative in _ways(rule):
        found.setdefault(alternative)
        if len(found) > MOST_ALTERNATIVES:
            raise EngineError(f"Rule {rule.name} has more than {MOST_ALTERNATIVES} alternatives")
    return tuple(found)


def _ways(rule: Rule) -> Iterator[Alternative]:
    when = rule.when
    demanded = [Literal(test) for test in when.all]
    failures = [[Literal(test, wanted=False) for test in condition] for condition in when.unless]
    for condition in when.any or ((),):
        chosen = [Literal(test) for test in condition]
        for failing in product(*failures):
            yield tuple(dict.fromkeys(chain(demanded, chosen, failing)))
