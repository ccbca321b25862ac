"""How far a rule book looks: which facts, how far back, and at which ages of an incident."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from rules.facts import METRICS, FactType
from rules.rule import Arithmetic, Condition, Field, Join, Operand, Rule, RuleBook

_CLOCK: Final = {"hour", "weekday"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What the rules for one kind of incident look at.

    `within` is how far back facts of a type are looked for; a type that is missing is not looked
    for at all. Of the types in `own_project` only the facts of the incident's project matter.
    `fields` are those of the signal that any of the rules asks for.
    `ages` are those at which a rule begins or ceases to hold, in order.
    """

    within: Mapping[FactType, timedelta]
    own_project: frozenset[FactType]
    joins: tuple[Join, ...]
    fields: frozenset[str]
    ages: tuple[timedelta, ...]
    by_the_clock: bool


def reach_of(book: RuleBook, kind: str) -> Reach:
    """Return what the rules of a book look at in an incident of one kind."""
    rules = [rule for rule in book.rules if _is_for(rule, kind)]
    joins = tuple(join for rule in rules for join in rule.joins)
    within: dict[FactType, timedelta] = {}
    for join in joins:
        within[join.fact] = max(join.within, within.get(join.fact, timedelta()))
    ages = {
        timedelta(seconds=float(test.operand))
        for rule in rules
        for condition in _conditions(rule)
        for test in condition
        if test.field == "age_s" and isinstance(test.operand, int | float)
    }
    return Reach(
        within=within,
        own_project=frozenset(
            type_
            for type_ in within
            if all("project" in join.same for join in joins if join.fact == type_)
        ),
        joins=joins,
        ages=tuple(sorted(ages)),
        fields=frozenset({"kind", "project"}.union(*map(_fields, rules))),
        by_the_clock=any(_CLOCK & set(_fields(rule)) for rule in rules),
    )


def farthest(book: RuleBook) -> timedelta:
    """Return how far back any rule looks for facts."""
    joins = (join.within for rule in book.rules if rule.mode != "off" for join in rule.joins)
    return max(joins, default=timedelta())


def uses_metrics(book: RuleBook) -> bool:
    """Return whether any rule asks for the newest value of a metric by name."""
    return any(name.startswith(METRICS) for rule in book.rules for name in _fields(rule))


def _is_for(rule: Rule, kind: str) -> bool:
    return rule.mode != "off" and (rule.when.kinds is None or kind in rule.when.kinds)


def _conditions(rule: Rule) -> Iterator[Condition]:
    yield rule.when.all
    yield from rule.when.any
    yield from rule.when.unless


def _fields(rule: Rule) -> Iterator[str]:
    for condition in _conditions(rule):
        for test in condition:
            yield test.field
            yield from _in_operand(test.operand)
    for join in rule.joins:
        yield from (*join.same, *join.differs)
        for test in join.when:
            yield from _in_operand(test.operand)


def _in_operand(operand: Operand) -> Iterable[str]:
    match operand:
        case Field(name=name):
            yield name
        case Arithmetic(left=left, right=right):
            yield from _in_operand(left)
            yield from _in_operand(right)
