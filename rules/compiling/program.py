"""From all rules to networks small enough for the engine, found by the kind of an incident."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from rules.compiling.cleaning import Fields
from rules.compiling.columns import Column, Numbering
from rules.compiling.conditions import SIGNAL
from rules.compiling.network_rules import AGE, ALWAYS, NetworkRule, Reach, network_rules
from rules.durable_json import message_head
from rules.facts import FactType
from rules.rule import Rule

MOST_RULES: Final = 48
"""In one network: more than 64 that hold at once are an error, and all of them are lost."""

MOST_COLUMNS: Final = 200
"""Of one message; the engine takes 254 attributes."""

_SEVERAL_KINDS: Final = "several"


@dataclass(slots=True, kw_only=True)
class Shard:
    """What goes into one network, and what its messages look like."""

    rules: dict[str, NetworkRule] = field(default_factory=dict)
    signal_columns: dict[str, Column] = field(default_factory=dict)
    fact_columns: dict[FactType, dict[str, Column]] = field(default_factory=dict)
    reaches: dict[FactType, Reach] = field(default_factory=dict)
    joined: set[int] = field(default_factory=set)
    """The rules that have a join here."""

    @property
    def definition(self) -> Mapping[str, Any]:
        return {name: rule.body for name, rule in self.rules.items()}

    def has_room(self, rule: NetworkRule) -> bool:
        signal = {*self.signal_columns, *(column.name for column in rule.signal_columns)}
        fact = {column.name for column in rule.fact_columns}
        if rule.join is not None:
            fact |= self.fact_columns.get(rule.join.fact, {}).keys()
        return len(self.rules) < MOST_RULES and max(len(signal), len(fact)) <= MOST_COLUMNS

    def add(self, rule: NetworkRule) -> None:
        self.rules[rule.name] = rule
        self.signal_columns |= {column.name: column for column in rule.signal_columns}
        if rule.join is None or rule.reach is None:
            return
        kind = rule.join.fact
        named = {column.name: column for column in rule.fact_columns}
        self.fact_columns[kind] = self.fact_columns.get(kind, {}) | named
        known = self.reaches.get(kind)
        self.reaches[kind] = known.widened(rule.reach) if known else rule.reach
        self.joined.add(rule.rule)

    def signal_message(self, signal: Fields) -> str:
        attributes = _attributes(self.signal_columns, signal, signal)
        return f'{message_head(SIGNAL, SIGNAL)},"{ALWAYS}":true{attributes}}}'

    def fact_message(
        self, kind: FactType, identifier: str, fact: Fields, signal: Fields, age_us: int
    ) -> str:
        attributes = _attributes(self.fact_columns[kind], fact, signal)
        head = message_head(kind, identifier)
        return f'{head},"{ALWAYS}":true,"{AGE}":{age_us}.0{attributes}}}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """All shards, and which of them are about which kind of incident."""

    shards: tuple[Shard, ...]
    by_kind: Mapping[str, tuple[int, ...]]
    of_any_kind: tuple[int, ...]

    def asked(self, kind: str | None) -> tuple[int, ...]:
        """Return the shards whose rules can match an incident of a kind."""
        return self.of_any_kind if kind is None else self.by_kind.get(kind, self.of_any_kind)


def compile_rules(rules: Sequence[Rule]) -> Program:
    """Return the networks for the active and the shadow rules, which go by their index.

    Rules for one kind share networks with each other, as do those for several and those for any.

    Raises:
        EngineError: a rule cannot be put to the engine.
    """
    numbering = Numbering()
    groups: dict[str | None, list[NetworkRule]] = defaultdict(list)
    for index, rule in enumerate(rules):
        if rule.mode != "off":
            groups[_group(rule)].extend(network_rules(index, rule, numbering))
    shards: list[Shard] = []
    kinds: dict[str, list[int]] = defaultdict(list)
    of_any_kind: list[int] = []
    for group, members in groups.items():
        for shard in _filled(members):
            number = len(shards)
            shards.append(shard)
            if group is None:
                of_any_kind.append(number)
            for kind in _kinds_in(shard, rules):
                kinds[kind].append(number)
    by_kind = {kind: (*numbers, *of_any_kind) for kind, numbers in kinds.items()}
    return Program(shards=tuple(shards), by_kind=by_kind, of_any_kind=tuple(of_any_kind))


def _group(rule: Rule) -> str | None:
    kinds = rule.when.kinds
    if kinds is None:
        return None
    return f"kind {kinds[0]}" if len(kinds) == 1 else _SEVERAL_KINDS


def _filled(members: Iterable[NetworkRule]) -> Iterator[Shard]:
    shard = Shard()
    for rule in members:
        if not shard.has_room(rule):
            yield shard
            shard = Shard()
        shard.add(rule)
    if shard.rules:
        yield shard


def _kinds_in(shard: Shard, rules: Sequence[Rule]) -> Iterable[str]:
    found = {one.rule for one in shard.rules.values()}
    return dict.fromkeys(kind for index in found for kind in rules[index].when.kinds or ())


def _attributes(columns: Mapping[str, Column], fields: Fields, signal: Fields) -> str:
    return "".join(
        [f',"{name}":{column.encode(fields, signal)}' for name, column in columns.items()]
    )
