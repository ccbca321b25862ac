"""One question to the networks: the signal goes in, then the facts, then all comes out again."""

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Final, Self

from rules.compiling.cleaning import Fields, clean_fact
from rules.compiling.conditions import SIGNAL
from rules.compiling.network_rules import Reach
from rules.compiling.program import Program
from rules.durable_host import Network
from rules.facts import Fact, FactType, Signal
from rules.rule import Join

JoinNumber = tuple[int, int]
"""The index of a rule, and of a join in it."""

_FACT: Final = "fact"
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Near:
    """A fact with the fields that rules see, and how old it is as of the signal."""

    number: int
    fact: Fact
    fields: Fields
    age_us: int


class Nearby:
    """The facts beside a signal; each is cleaned when it is first asked for."""

    def __init__(self, signal: Signal, signal_fields: Fields, facts: Sequence[Fact]) -> None:
        self._at = signal.at
        self._signal = signal_fields
        self._facts = facts
        self._by_type: dict[FactType, list[tuple[int, Fact]]] | None = None
        self._near: dict[int, Near] = {}

    def within(self, kind: FactType, reach: Reach) -> Iterator[Near]:
        """Yield the facts of a type that a join of this reach may take in."""
        demanded = {name: self._signal.get(name) for name in reach.same}
        if None in demanded.values():
            return
        for number, fact in self._of(kind):
            near = self._near_of(number, fact)
            if 0 <= near.age_us <= reach.within_us and all(
                near.fields.get(name) == value for name, value in demanded.items()
            ):
                yield near

    def satisfying(
        self, joins: Sequence[Join], taking_part: Sequence[Collection[int]]
    ) -> tuple[Fact, ...] | None:
        """Return the facts that satisfy joins, in their order; None when a join does not hold.

        Facts that are equal in all that rules see of them are one.
        """
        found: dict[int, Fact] = {}
        for join, numbers in zip(joins, taking_part, strict=True):
            different = self._different(numbers)
            if (len(different) >= join.min) == join.absent:
                return None
            if not join.absent:
                found |= different
        return tuple(found[number] for number in sorted(found))

    def _of(self, kind: FactType) -> Sequence[tuple[int, Fact]]:
        if self._by_type is None:
            self._by_type = defaultdict(list)
            for number, fact in enumerate(self._facts):
                self._by_type[fact.type].append((number, fact))
        return self._by_type.get(kind, ())

    def _near_of(self, number: int, fact: Fact) -> Near:
        known = self._near.get(number)
        if known is None:
            age_us = (self._at - fact.at) // _MICROSECOND
            known = self._near[number] = Near(number, fact, clean_fact(fact), age_us)
        return known

    def _different(self, numbers: Collection[int]) -> dict[int, Fact]:
        first: dict[Hashable, int] = {}
        for number in sorted(numbers):
            near = self._near[number]
            seen = (near.fact.type, near.fact.at, frozenset(near.fields.items()))
            first.setdefault(seen, number)
        return {number: self._near[number].fact for number in first.values()}


class Question:
    """The networks are empty again afterwards; those of a question that failed are made anew."""

    def __init__(
        self, program: Program, networks: Sequence[Network], signal_fields: Fields
    ) -> None:
        self._program = program
        self._networks = networks
        self._signal = signal_fields
        self._states: dict[int, int] = {}
        self._inside: dict[int, list[str]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error: type[BaseException] | None,
        _: BaseException | None,
        __: TracebackType | None,
    ) -> None:
        for number, ids in self._inside.items():
            if error is None:
                self._networks[number].retract(ids)
            else:
                self._networks[number].renew()

    def put_signal(self) -> set[int]:
        """Put the signal in, and return the rules that hold for it, their joins aside."""
        held = set()
        kind = self._signal.get("kind")
        for number in self._program.asked(kind if isinstance(kind, str) else None):
            shard, network = self._program.shards[number], self._networks[number]
            message = shard.signal_message(self._signal)
            self._inside[number] = [SIGNAL]
            state = network.assert_fact(message)
            if state is None:
                del self._inside[number]
                continue
            self._states[number] = state
            fired = (shard.rules[one.rule] for one in network.drain(state))
            held |= {rule.rule for rule in fired if rule.join is None}
        return held

    def put_facts(
        self, rules: Collection[int], nearby: Nearby
    ) -> Mapping[JoinNumber, Collection[int]]:
        """Put in the facts that joins of these rules may take in; return those that took part."""
        found: dict[JoinNumber, list[int]] = defaultdict(list)
        for number, state in self._states.items():
            shard, network = self._program.shards[number], self._networks[number]
            if shard.joined.isdisjoint(rules) or not self._put(number, nearby):
                continue
            for one in network.drain(state):
                rule = shard.rules[one.rule]
                found[rule.rule, rule.number].append(int(one.id_of(_FACT)))
        return found

    def _put(self, number: int, nearby: Nearby) -> bool:
        """Put facts into one network; tell whether it was interested in any."""
        shard, network = self._program.shards[number], self._networks[number]
        inside = self._inside[number]
        before = len(inside)
        for kind, reach in shard.reaches.items():
            for near in nearby.within(kind, reach):
                identifier = str(near.number)
                inside.append(identifier)
                message = shard.fact_message(
                    kind, identifier, near.fields, self._signal, near.age_us
                )
                if network.assert_fact(message) is None:
                    inside.pop()
        return len(inside) > before
