"""The examples of a rule hold it to what its author meant."""

from pathlib import Path

import pytest

from rules.engine import Engine
from rules.examples import run_examples
from rules.language.reading import read_rules
from rules.live_rules import DEFAULT_FOLDERS
from tests.rules.rule_texts import engine_of, rule_text


def _faults(example: str, *, then: str = "{action: restart}") -> list[str]:
    return [
        fault.problem for fault in run_examples(engine_of(rule_text(then=then, example=example)))
    ]


def test_every_example_of_the_rules_that_come_with_the_hub_comes_out() -> None:
    engine = Engine(read_rules(DEFAULT_FOLDERS))
    assert sum(len(rule.examples) for rule in engine.book.rules) > 50
    assert run_examples(engine) == []


@pytest.mark.parametrize(
    ("standing", "step"),
    [
        ("{}", "run"),
        ("{attempts: 3}", "escalate"),
        ("{breaker: open}", "hold"),
        ("{attempts: 3, breaker: open}", "escalate"),
        ("{autonomy: observe}", "denied"),
        ("{autonomy: approve}", "request_approval"),
        ("{autonomy: approve, approval: pending}", "await_approval"),
        ("{autonomy: approve, approval: approved}", "run"),
        ("{approval: expired}", "escalate"),
        ("{declared: false}", "denied"),
    ],
)
def test_an_example_expects_the_step_that_its_standing_leads_to(standing: str, step: str) -> None:
    given = f"given: {{kind: cpu, value: 95}}, standing: {standing}"
    assert _faults(f"{{{given}, expect: {step}}}") == []


def test_a_rule_s_own_attempts_and_approval_hold_in_its_examples() -> None:
    then = "{action: restart, approval: required, retry: {max_attempts: 1}}"
    given = "given: {kind: cpu, value: 95}"
    assert _faults(f"{{{given}, expect: request_approval}}", then=then) == []
    assert _faults(f"{{{given}, standing: {{attempts: 1}}, expect: escalate}}", then=then) == []


def test_a_rule_that_suppresses_or_escalates_does_so_in_its_examples() -> None:
    given = "given: {kind: cpu, value: 95}"
    assert _faults(f"{{{given}, expect: suppress}}", then="{suppress: known}") == []
    assert _faults(f"{{{given}, expect: escalate}}", then="{escalate: unknown}") == []


def test_a_match_is_expected_whatever_its_step() -> None:
    given = "given: {kind: cpu, value: 95}, standing: {declared: false}"
    assert _faults(f"{{{given}, expect: match}}") == []


def test_an_example_that_comes_out_otherwise_says_what_came() -> None:
    assert _faults("{given: {kind: cpu, value: 95}, expect: hold}") == [
        "must be hold, came out as run (matched)"
    ]
    assert _faults("{given: {kind: cpu, value: 5}, expect: run}") == [
        "must be run, came out as no_match"
    ]
    held = "{given: {kind: cpu, value: 95}, standing: {breaker: open}, expect: run}"
    assert _faults(held) == ["must be run, came out as hold (breaker_open)"]
    assert _faults("{given: {kind: cpu, value: 95}, expect: no_match}") == [
        "must be no_match, came out as run (matched)"
    ]


def test_an_example_is_about_its_own_rule_alone() -> None:
    first = rule_text("first", then="{suppress: known}", priority=1)
    example = "{given: {kind: cpu, value: 95}, expect: run}"
    assert run_examples(engine_of(first, rule_text("second", example=example, priority=2))) == []


def test_a_rule_in_the_shadow_is_held_to_its_examples_and_one_that_is_off_is_not() -> None:
    text = rule_text(example="{given: {kind: cpu, value: 95}, expect: hold}")
    shadow = text.replace("when:", "mode: shadow\n    when:")
    off = text.replace("when:", "mode: off\n    when:")
    assert len(run_examples(engine_of(shadow))) == 1
    assert run_examples(engine_of(off)) == []


def test_a_fault_of_an_example_has_its_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(rule_text(example="{given: {kind: cpu, value: 95}, expect: hold}"))
    (fault,) = run_examples(Engine(read_rules([tmp_path])))
    assert str(fault) == (
        f"{file}:7: rules.restart-it.examples[0].expect: must be hold, came out as run (matched)"
    )
