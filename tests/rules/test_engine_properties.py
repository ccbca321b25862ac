"""The engine finds what the rules mean, whatever the rules and whatever the incident."""

import os
from contextlib import closing

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rules.engine import Engine
from rules.facts import Fact, Signal
from rules.policy import Standing
from rules.rule import RuleBook
from tests.rules import oracle
from tests.rules.strategies import books, facts, signals, standings

EXAMPLES = int(os.environ.get("RULE_EXAMPLES", "60"))
ANY_PACE = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
POLICY = Engine(RuleBook(rules=(), version="0" * 12))


@ANY_PACE
@given(
    book=books(),
    incidents=st.lists(signals(), min_size=1, max_size=5),
    beside=st.lists(facts(), max_size=12),
)
def test_the_engine_matches_as_the_language_says(
    book: RuleBook, incidents: list[Signal], beside: list[Fact]
) -> None:
    with closing(Engine(book)) as engine:
        for signal in incidents:
            found = [(one.rule.name, list(one.facts)) for one in engine.match(signal, beside)]
            assert found == oracle.match(book, signal, beside)


@ANY_PACE
@given(stands=st.lists(standings, max_size=5))
def test_the_engine_decides_as_the_policy_says(stands: list[Standing]) -> None:
    assert POLICY.decide(stands) == oracle.decide(stands)
