"""What a replay recalls is what the engine would say if it were asked again."""

from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rules.backtest.reach import reach_of
from rules.backtest.recall import Recall
from rules.engine import Engine, Match
from rules.facts import Fact, Signal
from rules.rule import Join, RuleBook, Test, When
from tests.rules.pasts import START, book, rule
from tests.rules.strategies import books, facts, signals

HIGH = rule(when=When(kinds=("cpu",), all=(Test(field="value", operator="gte", operand=90.0),)))


class Counting(Engine):
    """An engine that counts how often it is asked."""

    asked = 0

    def match(self, signal: Signal, facts: Sequence[Fact]) -> tuple[Match, ...]:
        self.asked += 1
        return super().match(signal, facts)


def _cpu(value: float | None, **fields: Any) -> Signal:
    return Signal(at=START, fields={"kind": "cpu", "project": "a", "value": value, **fields})


def test_incidents_that_no_condition_tells_apart_are_asked_about_once() -> None:
    rules = book(HIGH)
    with closing(Counting(rules)) as engine:
        recall = Recall(engine)
        for signal in (_cpu(91.0), _cpu(99.0), _cpu(95.5, project="b", severity="critical")):
            assert recall.match(signal, (), reach_of(rules, "cpu"))
        assert engine.asked == 1


def test_a_number_counts_as_below_equal_to_or_above_what_it_is_compared_with() -> None:
    rules = book(HIGH)
    with closing(Counting(rules)) as engine:
        recall = Recall(engine)
        values = [89.9, 90.0, 90.1, None, float("nan"), 10.0]
        held = [bool(recall.match(_cpu(one), (), reach_of(rules, "cpu"))) for one in values]
        assert held == [False, True, True, False, False, False]
        assert engine.asked == 4


def test_with_facts_the_engine_is_asked_each_time() -> None:
    beside = rule(kind="cpu", joins=(Join(fact="deploy", within=timedelta(minutes=1)),))
    rules = book(beside)
    deploy = Fact(type="deploy", at=START, fields={"project": "a"})
    with closing(Counting(rules)) as engine:
        recall = Recall(engine)
        for _ in range(2):
            (match,) = recall.match(_cpu(1.0), [deploy], reach_of(rules, "cpu"))
            assert match.facts == (deploy,)
        assert engine.asked == 2


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    rules=books(),
    incidents=st.lists(signals(), min_size=1, max_size=8),
    beside=st.lists(facts(), max_size=4),
)
def test_what_is_recalled_is_what_the_engine_says(
    rules: RuleBook, incidents: list[Signal], beside: list[Fact]
) -> None:
    with closing(Engine(rules)) as engine:
        recall = Recall(engine)
        for signal in incidents:
            kind = signal.fields.get("kind")
            reach = reach_of(rules, kind if isinstance(kind, str) else "")
            for around in ([], beside):
                assert recall.match(signal, around, reach) == engine.match(signal, around)
