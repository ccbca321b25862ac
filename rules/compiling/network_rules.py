"""Rules of the network: for each alternative of a rule one, for each of its joins one.

A join is a rule of its own that fires for every fact that takes part; the facts are counted in
Python. Together in one rule, five joins over a hundred facts would fire ten thousand million
times, and an action that has fired because of an absence is not called back by a fact that comes
later.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from rules.compiling import columns
from rules.compiling.alternatives import Literal, alternatives_of
from rules.compiling.columns import Column, Numbering
from rules.compiling.conditions import (
    SIGNAL,
    Piece,
    comparison,
    computed_piece,
    fact_piece,
    join_pieces,
    pieces_of,
    signal_piece,
)
from rules.compiling.predicates import term_of
from rules.facts import FACT_FIELDS, signal_field_kind
from rules.rule import Join, Rule

ALWAYS: Final = "always"
AGE: Final = "age_us"
_MOST_REFERENCES: Final = 24
"""From a fact to the signal in one join: the engine has room for 32 expressions, ends included."""

_MISSING_IN_SIGNAL: Final = "signal-has-none"
_MISSING_IN_FACT: Final = "fact-has-none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Which facts can take part in joins: not older than `within_us`, the same in these fields."""

    within_us: int
    same: frozenset[str]

    def widened(self, other: "Reach") -> "Reach":
        """Return what reaches every fact that one of two reaches."""
        return Reach(within_us=max(self.within_us, other.within_us), same=self.same & other.same)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRule:
    """A rule of the network, what it says of which rule, and what its messages need."""

    rule: int
    number: int
    join: Join | None = None
    body: Mapping[str, Any]
    signal_columns: tuple[Column, ...]
    fact_columns: tuple[Column, ...] = ()
    reach: Reach | None = field(default=None)

    @property
    def name(self) -> str:
        return f"r{self.rule}{'j' if self.join else 'a'}{self.number}"


def network_rules(index: int, rule: Rule, numbering: Numbering) -> Iterator[NetworkRule]:
    """Yield the network's rules for the rule of an index.

    Raises:
        EngineError: the rule has more than 32 alternatives, or asks for an unknown field.
    """
    for number, alternative in enumerate(alternatives_of(rule)):
        piece = join_pieces([_kinds(rule, numbering), *_of_signal(alternative, numbering)])
        yield NetworkRule(
            rule=index,
            number=number,
            body=_body(rule, {SIGNAL: _pattern(SIGNAL, piece.conditions)}),
            signal_columns=piece.columns,
        )
    for number, join in enumerate(rule.joins):
        yield _join_rule(index, rule, number, join, numbering)


def reach_of(join: Join) -> Reach:
    return Reach(within_us=join.within // timedelta(microseconds=1), same=frozenset(join.same))


def _join_rule(
    index: int, rule: Rule, number: int, join: Join, numbering: Numbering
) -> NetworkRule:
    """Return the rule that fires for every fact that takes part in a join.

    The last condition refers to the signal and always holds: the engine overruns its memory when
    the last such condition of a join fails.
    """
    reach = reach_of(join)
    window = Piece(
        ({"$gte": {AGE: 0.0}}, {"$lte": {AGE: float(reach.within_us)}}),
    )
    fact = join_pieces([window, *_of_fact(join, numbering)])
    demanded = tuple(Literal(test) for test in rule.when.all)
    gate = join_pieces([_kinds(rule, numbering), *_of_signal(demanded, numbering)])
    closing = {ALWAYS: {SIGNAL: ALWAYS}}
    return NetworkRule(
        rule=index,
        number=number,
        join=join,
        body=_body(
            rule,
            {SIGNAL: _pattern(SIGNAL, (*gate.conditions, *fact.guards))},
            {"fact": _pattern(join.fact, (*_ordered(fact.conditions), closing))},
        ),
        signal_columns=tuple(dict.fromkeys((*gate.columns, *fact.signal_columns))),
        fact_columns=fact.columns,
        reach=reach,
    )


def _of_signal(alternative: tuple[Literal, ...], numbering: Numbering) -> Iterator[Piece]:
    return pieces_of(
        alternative,
        lambda literal: signal_piece(literal, signal_field_kind, numbering),
        numbering,
    )


def _of_fact(join: Join, numbering: Numbering) -> Iterator[Piece]:
    kind_of = FACT_FIELDS[join.fact].get
    yield from (_same(name) for name in join.same)
    yield from (_differs(name) for name in join.differs)
    room = _MOST_REFERENCES - len(join.same) - len(join.differs)
    referring = [test for test in join.when if term_of(test.operand) is not None]
    beyond = tuple(Literal(test) for test in referring[room:])
    literals = [literal for literal in map(Literal, join.when) if literal not in beyond]
    yield from pieces_of(
        literals, lambda literal: fact_piece(literal, kind_of, numbering), numbering
    )
    if beyond:
        yield computed_piece(beyond, numbering)


def _kinds(rule: Rule, numbering: Numbering) -> Piece:
    kinds = rule.when.kinds
    if kinds is None:
        return Piece(())
    if len(kinds) == 1:
        column = columns.text("kind")
        return Piece(({column.name: columns.token(kinds[0])},), (column,))
    wanted = frozenset(kinds)
    column = columns.computed(
        numbering.of("kinds", wanted), lambda fields, _: fields.get("kind") in wanted
    )
    return Piece(({column.name: True},), (column,))


def _same(name: str) -> Piece:
    own, other = columns.key(name, _MISSING_IN_FACT), columns.key(name, _MISSING_IN_SIGNAL)
    return Piece((comparison("eq", own.name, {SIGNAL: other.name}),), (own,), (other,))


def _differs(name: str) -> Piece:
    own, other = columns.key(name, _MISSING_IN_FACT), columns.key(name, _MISSING_IN_SIGNAL)
    return Piece(({"$neq": {own.name: {SIGNAL: other.name}}},), (own,), (other,))


def _body(rule: Rule, *patterns: Mapping[str, Any]) -> dict[str, Any]:
    return {"pri": rule.priority, "dist": 0, "all": list(patterns)}


def _pattern(kind: str, conditions: tuple[Mapping[str, Any], ...]) -> dict[str, Any]:
    return {"$and": [{"_t": kind}, *conditions]}


def _ordered(conditions: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
    """Return what looks at the fact alone before what looks at the signal too."""
    return sorted(conditions, key=_refers)


def _refers(condition: Mapping[str, Any]) -> bool:
    value = next(iter(condition.values()))
    inner = next(iter(value.values())) if isinstance(value, Mapping) else None
    return isinstance(inner, Mapping) or (isinstance(value, Mapping) and SIGNAL in value)
