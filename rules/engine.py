"""The rules in force: which of them match an incident, and what is to be done.

Nothing is remembered from one question to the next.
"""

import weakref
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock

from rules.asking import Nearby, Question
from rules.compiling.cleaning import clean_signal
from rules.compiling.program import compile_rules
from rules.durable_host import EngineError, Network
from rules.facts import Fact, Signal
from rules.policy import Standing, Verdict, choose
from rules.policy_stage import PolicyStage
from rules.rule import Rule, RuleBook


class EngineClosed(EngineError):
    """The rules are not in force any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A rule whose conditions hold, and the facts that took part in its joins, in their order."""

    rule: Rule
    facts: tuple[Fact, ...]


class Engine:
    """A rule book, compiled. Safe for several threads; freed by `close`, or when nobody has it."""

    def __init__(self, book: RuleBook) -> None:
        """Compile.

        Raises:
            EngineError: the rules cannot be put to the engine.
        """
        self.book = book
        self._lock = Lock()
        self._program = compile_rules(book.rules)
        networks: list[Network] = []
        self._freed = weakref.finalize(self, _free, networks)
        self._freed.atexit = False
        for shard in self._program.shards:
            networks.append(Network(shard.definition))
        self._networks = tuple(networks)
        self._policy = PolicyStage()
        networks.append(self._policy.network)

    def match(self, signal: Signal, facts: Sequence[Fact]) -> tuple[Match, ...]:
        """Return the rules that hold, by priority; those in shadow mode too, those off not.

        1. The signal goes into every network that is about its kind.
        2. Where a rule that holds for the signal has joins, the facts that may take part follow.
        3. A join holds with at least `min` different facts, an absent one with fewer.

        Raises:
            EngineClosed: ask the engine that is in force instead.
            EngineError: the engine failed; it can be asked again.
        """
        with self._lock:
            self._check_open()
            return self._match(signal, facts)

    def decide(self, standings: Sequence[Standing]) -> Verdict:
        """Return what to do, given where the matches stand, in their order.

        Raises:
            EngineClosed: ask the engine that is in force instead.
            EngineError: the engine failed; it can be asked again.
        """
        with self._lock:
            self._check_open()
            return choose(self._policy.ask(one) for one in standings if not one.shadow)

    def close(self) -> None:
        """Give the engine's memory back; afterwards questions raise `EngineClosed`."""
        with self._lock:
            self._freed()

    def _check_open(self) -> None:
        if not self._freed.alive:
            raise EngineClosed

    def _match(self, signal: Signal, facts: Sequence[Fact]) -> tuple[Match, ...]:
        rules, fields = self.book.rules, clean_signal(signal)
        nearby = Nearby(signal, fields, facts)
        with Question(self._program, self._networks, fields) as question:
            held = question.put_signal()
            joined = {index for index in held if rules[index].joins}
            taking_part = question.put_facts(joined, nearby) if joined and facts else {}
        matches = []
        for index in sorted(held):
            beside = [taking_part.get((index, n), ()) for n in range(len(rules[index].joins))]
            found = nearby.satisfying(rules[index].joins, beside)
            if found is not None:
                matches.append(Match(rule=rules[index], facts=found))
        return tuple(matches)


def _free(networks: Sequence[Network]) -> None:
    for network in networks:
        with suppress(Exception):  # what is gone already is free
            network.free()
