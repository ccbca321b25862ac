"""The engine: what its own limits and habits must not do to rules."""

import gc
import json
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rules.compiling.program import MOST_COLUMNS, MOST_RULES, compile_rules
from rules.durable_host import EngineError, Network
from rules.durable_json import number_json, to_json
from rules.engine import Engine, EngineClosed
from rules.facts import Fact, FactType, Signal
from rules.language.reading import book_of
from rules.policy import Standing
from rules.rule import Arithmetic, Condition, Field, Join, Rule, Test, Then, When
from tests.rules.rule_texts import engine_of, rule_text

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
THEN = Then(step="act", action="restart")


def _signal(**fields: Any) -> Signal:
    return Signal(at=NOW, fields={"kind": "cpu", "project": "shop", "value": 95.0, **fields})


def _fact(kind: FactType = "action", *, age_s: float = 10, **fields: Any) -> Fact:
    return Fact(type=kind, at=NOW - timedelta(seconds=age_s), fields={"project": "shop", **fields})


def _rule(name: str = "rule", *, joins: tuple[Join, ...] = (), **when: Any) -> Rule:
    return Rule(name=name, when=When(**{"kinds": None, **when}), joins=joins, then=THEN)


def _names(engine: Engine, signal: Signal, facts: tuple[Fact, ...] = ()) -> list[str]:
    return [match.rule.name for match in engine.match(signal, facts)]


def _holds(rule: Rule, signal: Signal, *facts: Fact) -> bool:
    with closing(Engine(book_of([rule]))) as engine:
        return bool(engine.match(signal, facts))


def test_rules_match_by_priority_and_then_by_name() -> None:
    engine = engine_of(
        rule_text("b", priority=2), rule_text("c", priority=1), rule_text("a", priority=2)
    )
    assert _names(engine, _signal()) == ["c", "a", "b"]


def test_a_rule_that_is_off_does_not_match_and_one_in_the_shadow_does() -> None:
    on, off = rule_text("acting"), rule_text("gone").replace("when:", "mode: off\n    when:")
    shadow = rule_text("seen").replace("when:", "mode: shadow\n    when:")
    assert _names(engine_of(on, off, shadow), _signal()) == ["acting", "seen"]


def test_a_missing_field_fails_every_test_but_those_for_its_absence() -> None:
    tests = {"eq": 5.0, "gt": 0.0, "in": (5.0,), "ne": 5.0, "not_in": (5.0,), "exists": False}
    held = [
        operator
        for operator, operand in tests.items()
        if _holds(
            _rule(all=(Test(field="baseline", operator=operator, operand=operand),)),  # type: ignore[arg-type]
            _signal(),
        )
    ]
    assert held == ["ne", "not_in", "exists"]


def test_arithmetic_with_a_missing_field_holds_for_nothing() -> None:
    term = Arithmetic("+", Arithmetic("*", Field("baseline"), 1.5), 5.0)
    rule = _rule(all=(Test(field="value", operator="gt", operand=term),))
    assert _holds(rule, _signal(baseline=10.0))
    assert not _holds(rule, _signal(baseline=80.0))
    assert not _holds(rule, _signal())


def test_a_join_calculates_with_the_signal() -> None:
    test = Test(field="value", operator="gte", operand=Arithmetic("*", Field("value"), 0.5))
    join = Join(fact="incident", when=(test,), within=timedelta(minutes=1))
    assert _holds(_rule(joins=(join,)), _signal(), _fact("incident", value=48.0))
    assert not _holds(_rule(joins=(join,)), _signal(), _fact("incident", value=47.0))
    assert not _holds(_rule(joins=(join,)), _signal(), _fact("incident"))
    assert not _holds(_rule(joins=(join,)), _signal(value=None), _fact("incident", value=47.0))


def test_a_join_counts_different_facts() -> None:
    join = Join(fact="action", same=("project",), within=timedelta(minutes=1), min=2)
    assert not _holds(_rule(joins=(join,)), _signal(), _fact(), _fact())
    assert _holds(_rule(joins=(join,)), _signal(), _fact(), _fact(age_s=20))


def test_a_join_takes_in_facts_to_the_microsecond() -> None:
    join = Join(fact="action", within=timedelta(seconds=60))
    assert _holds(_rule(joins=(join,)), _signal(), _fact(age_s=60))
    assert not _holds(_rule(joins=(join,)), _signal(), _fact(age_s=60.000001))
    assert _holds(_rule(joins=(join,)), _signal(), _fact(age_s=0))
    assert not _holds(_rule(joins=(join,)), _signal(), _fact(age_s=-0.000001))


def test_a_missing_field_is_the_same_as_nothing_and_differs_from_everything() -> None:
    same = Join(fact="deploy", same=("version",), within=timedelta(minutes=1))
    differs = Join(fact="deploy", differs=("version",), within=timedelta(minutes=1))
    for signal, fact in (
        (_signal(), _fact("deploy")),
        (_signal(version="1"), _fact("deploy")),
        (_signal(), _fact("deploy", version="1")),
    ):
        assert not _holds(_rule(joins=(same,)), signal, fact)
        assert _holds(_rule(joins=(differs,)), signal, fact)


def test_the_facts_of_a_match_are_those_of_its_joins_in_their_order() -> None:
    there = Join(fact="action", when=_eq("action", "restart"), within=timedelta(minutes=1))
    gone = Join(fact="deploy", within=timedelta(minutes=1), absent=True)
    facts = (_fact(action="scale"), _fact(action="restart"), _fact("deploy", age_s=90))
    with closing(Engine(book_of([_rule(joins=(there, gone))]))) as engine:
        (match,) = engine.match(_signal(), facts)
    assert match.facts == (facts[1],)


def test_hundreds_of_rules_with_the_same_conditions_all_match() -> None:
    engine = Engine(
        book_of(
            _rule(f"rule-{n:03}", kinds=("cpu",), all=_eq("project", "shop")) for n in range(300)
        )
    )
    assert len(engine.match(_signal(), ())) == 300


def test_hundreds_of_alternatives_that_hold_at_once_are_one_match_per_rule() -> None:
    one_of = tuple(_gt("value", float(n)) for n in range(32))
    engine = Engine(book_of(_rule(f"rule-{n}", any=one_of) for n in range(12)))
    assert len(engine.match(_signal(), ())) == 12


def test_more_than_32_alternatives_are_refused() -> None:
    one_of = tuple(_gt("value", float(n)) for n in range(33))
    with pytest.raises(EngineError, match="more than 32 alternatives"):
        Engine(book_of([_rule(any=one_of)]))


def test_more_tests_than_a_message_has_attributes_hold_together() -> None:
    tests = tuple(
        Test(field=f"metrics.m{n}", operator="gt", operand=Field(f"metrics.n{n}"))
        for n in range(400)
    )
    given = {f"metrics.m{n}": 2.0 for n in range(400)} | {f"metrics.n{n}": 1.0 for n in range(400)}
    assert _holds(_rule(all=tests), _signal(**given))
    assert not _holds(_rule(all=tests), _signal(**{**given, "metrics.m399": 0.5}))


def test_a_join_with_more_references_than_the_engine_has_room_for_holds() -> None:
    tests = tuple(
        Test(field="value", operator="gt", operand=Arithmetic("-", Field("value"), float(n)))
        for n in range(1, 60)
    )
    join = Join(fact="incident", when=tests, within=timedelta(minutes=1))
    assert _holds(_rule(joins=(join,)), _signal(), _fact("incident", value=94.5))
    assert not _holds(_rule(joins=(join,)), _signal(), _fact("incident", value=94.0))


def test_a_thousand_facts_are_counted_and_forgotten() -> None:
    join = Join(fact="action", same=("project",), within=timedelta(hours=1), min=1000)
    facts = tuple(_fact(age_s=n / 10) for n in range(1000))
    with closing(Engine(book_of([_rule(joins=(join, join, join))]))) as engine:
        assert _names(engine, _signal(), facts) == ["rule"]
        assert _names(engine, _signal(), facts[1:]) == []
        assert _names(engine, _signal(), facts) == ["rule"]


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 2.0**53, -(2.0**60), 10**400, True, "95", ("95",)]
)
def test_what_is_no_sound_number_is_missing(value: Any) -> None:
    rule = _rule(all=(Test(field="value", operator="exists", operand=False),))
    assert _holds(rule, _signal(value=value))


def test_a_long_text_is_cut_and_half_a_character_is_missing() -> None:
    ends = Test(field="title", operator="glob", operand="*end")
    assert _holds(_rule(all=(ends,)), _signal(title="x" * 497 + "end" + "y" * 100))
    assert not _holds(_rule(all=(ends,)), _signal(title="x" * 498 + "end"))
    assert not _holds(_rule(all=(ends,)), _signal(title="\ud800end"))


@pytest.mark.parametrize(
    "text", ['a"b', "a\\b", "a'b", "a\nb", "\x00", "köln", "🔥", "~", "x" * 200]
)
def test_any_text_is_compared_as_it_is(text: str) -> None:
    join = Join(fact="action", same=("project",), within=timedelta(minutes=1))
    rule = _rule(all=_eq("title", text), joins=(join,))
    signal = _signal(title=text, project=text)
    assert _holds(rule, signal, _fact(project=text))
    assert not _holds(rule, signal, _fact(project=text + "x"))
    assert not _holds(rule, _signal(title=text + "x", project=text), _fact(project=text))


@pytest.mark.parametrize("number", [0.0, -0.0, 1e-05, 1e16, 1.5e-300, 5e-324, 123456.789, 1e308])
def test_numbers_are_written_as_the_engine_reads_them(number: float) -> None:
    text = number_json(number)
    assert "." in text
    assert float(text) == number
    with closing(_Free(Network({"r": {"all": [{"m": {"$and": [{"_t": "a"}, {"v": number}]}}]}}))):
        pass


def test_several_threads_get_their_own_answers() -> None:
    engine = engine_of(rule_text("high"), rule_text("low", when="{kind: cpu, value: {lt: 90}}"))

    def ask(number: int) -> bool:
        value = float(number % 100)
        expected = ["high"] if value >= 90 else ["low"]
        standing = Standing(rule=str(number))
        return _names(engine, _signal(value=value)) == expected and engine.decide(
            [standing]
        ).rule == str(number)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(ask, range(2000)))


def test_a_closed_engine_says_so() -> None:
    engine = engine_of(rule_text())
    engine.close()
    engine.close()
    with pytest.raises(EngineClosed):
        engine.match(_signal(), ())
    with pytest.raises(EngineClosed):
        engine.decide([])


def test_an_engine_that_nobody_holds_frees_its_networks() -> None:
    engine = engine_of(rule_text())
    freed = engine._freed
    assert freed.alive
    del engine
    gc.collect()
    assert not freed.alive


def test_an_engine_that_failed_in_the_middle_can_be_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    join = Join(fact="action", within=timedelta(minutes=1))
    engine = Engine(book_of([_rule(joins=(join,))]))
    with monkeypatch.context() as patch:
        patch.setattr("rules.compiling.program.message_head", _broken_for_facts)
        with pytest.raises(EngineError):
            engine.match(_signal(), (_fact(),))
    assert _names(engine, _signal(), (_fact(),)) == ["rule"]
    assert _names(engine, _signal()) == []


def test_every_network_stays_below_the_limits_of_the_engine() -> None:
    one_of = tuple(_gt(f"metrics.m{n}", 1.0) for n in range(32))
    program = compile_rules([_rule(f"rule-{n}", any=one_of) for n in range(40)])
    assert all(len(shard.rules) <= MOST_RULES for shard in program.shards)
    assert all(len(shard.signal_columns) <= MOST_COLUMNS for shard in program.shards)


def test_only_networks_of_the_incident_s_kind_are_asked() -> None:
    rules = [
        _rule("cpu", kinds=("cpu",)),
        _rule("memory", kinds=("memory",)),
        _rule("both", kinds=("cpu", "disk")),
        _rule("any"),
    ]
    program = compile_rules(rules)
    assert len(program.asked("cpu")) == 3
    assert len(program.asked("disk")) == 2
    assert len(program.asked("other")) == len(program.asked(None)) == 1


def test_questions_and_new_engines_leave_no_memory_behind() -> None:
    script = """
import resource
import json
from datetime import timedelta
from rules.engine import Engine
from rules.language.reading import book_of
from rules.policy import Standing
from rules.rule import Join
from tests.rules.test_engine import _fact, _rule, _signal
def use(times):
    for _ in range(times):
        engine = Engine(book_of([_rule(joins=(Join(fact="action", within=timedelta(1)),))]))
        for _ in range(20):
            assert len(engine.match(_signal(), (_fact(),))) == 1
            engine.decide([Standing(rule="one")])
use(20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
use(60)
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) < 2_000  # kB


class _Free:
    def __init__(self, network: Network) -> None:
        self.close = network.free


def _broken_for_facts(kind: str, identifier: str) -> str:
    head: Mapping[str, Any] = {"sid": "0", "id": identifier, "_t": kind}
    return to_json(head).removesuffix("}") + ("" if kind == "signal" else ",]")


def _eq(name: str, value: str) -> Condition:
    return (Test(field=name, operator="eq", operand=value),)


def _gt(name: str, value: float) -> Condition:
    return (Test(field=name, operator="gt", operand=value),)
