"""How far a rule book looks: which facts, how far back, and at which ages of an incident."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from rules.facts import METRICS, FactType
from rules.rule import Arithmetic, Condition, Field, Join, Operand, Rule, RuleBook, Test

_CLOCK: Final = {"hour", "weekday"}
_OLDEST_S: Final = 100 * 365 * 86_400.0
"""No incident comes to this age; with one far beyond, its moment would be after the year 9999."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What the rules for one kind of incident look at.

    `within` is how far back facts of a type are looked for; a type that is missing is not looked
    for at all. Of the types in `own_project` only the facts of the incident's project matter.
    `incident_joins` are those that other incidents are facts in.
    `fields` are those of the signal that any of the rules asks for. `tested` are those that tell
    incidents apart where there are no facts: by the constants that a number is compared with, in
    order, or None where it is the value itself that counts.
    `ages` are those at which a rule begins or ceases to hold, in order.
    """

    within: Mapping[FactType, timedelta]
    own_project: frozenset[FactType]
    incident_joins: tuple[Join, ...]
    fields: frozenset[str]
    tested: Mapping[str, tuple[float, ...] | None]
    ages: tuple[timedelta, ...]
    by_the_clock: bool


def reach_of(book: RuleBook, kind: str) -> Reach:
    """Return what the rules of a book look at in an incident of one kind."""
    rules = [rule for rule in book.rules if _is_for(rule, kind)]
    joins = tuple(join for rule in rules for join in rule.joins)
    within: dict[FactType, timedelta] = {}
    for join in joins:
        within[join.fact] = max(join.within, within.get(join.fact, timedelta()))
    tests = [test for rule in rules for condition in _conditions(rule) for test in condition]
    ages = {
        timedelta(seconds=float(test.operand))
        for test in tests
        if test.field == "age_s"
        and isinstance(test.operand, int | float)
        and 0 <= test.operand <= _OLDEST_S
    }
    return Reach(
        within=within,
        own_project=frozenset(
            type_
            for type_ in within
            if all("project" in join.same for join in joins if join.fact == type_)
        ),
        incident_joins=tuple(join for join in joins if join.fact == "incident"),
        ages=tuple(sorted(ages)),
        fields=frozenset({"kind", "project"}.union(*map(_fields, rules))),
        tested=_tested(tests),
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


def _tested(tests: Sequence[Test]) -> dict[str, tuple[float, ...] | None]:
    """Return the fields that tests look at, and the kind, by which rules are chosen."""
    by_value = {"kind"}
    constants: dict[str, set[float]] = {}
    for test in tests:
        by_value.update(_in_operand(test.operand))
        compared = _constants(test)
        if compared is None:
            by_value.add(test.field)
        else:
            constants.setdefault(test.field, set()).update(compared)
    placed = {name: tuple(sorted(held)) for name, held in constants.items()}
    return {**placed, **dict.fromkeys(sorted(by_value))}


def _constants(test: Test) -> tuple[float, ...] | None:
    """Return the numbers that a test compares a field with, None where it does something else."""
    operand = test.operand
    if test.operator == "exists":
        return ()
    if isinstance(operand, tuple):
        numbers = tuple(one for one in operand if isinstance(one, float))
        return numbers if len(numbers) == len(operand) else None
    return (operand,) if isinstance(operand, float) else None


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
