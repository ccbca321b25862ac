"""What rule files mean."""

from datetime import timedelta
from pathlib import Path

import pytest

from rules.facts import signal_field_kind
from rules.language.reading import read_rules, read_rules_text, rule_files
from rules.rule import Arithmetic, Field, Rule, RuleBook
from rules.rule import Test as Demand

RULES = Path(__file__).parents[2] / "rules"
REST = "then: {action: restart}, examples: [{given: {kind: down}, expect: match}]"
WHOLE = """
rules:
  - name: errors-after-deploy
    description: going back is known to work
    priority: 50
    mode: shadow
    when: {kind: error_rate, value: {gte: 5, lt: 50}}
    any: [{tags: batch}, {severity: critical}]
    unless: [{project: mailer, status: degraded}]
    with:
      - {fact: deploy, same: [project], when: {status: finished}, within: 30m, min: 2}
    absent:
      - fact: incident
        differs: [project]
        when: {kind: {not_in: [latency]}, value: {gt: "= value * 2"}}
        within: 10m
    then:
      action: rollback
      parameters: {to: previous, replicas: 2, force: true}
      on: dependency
      approval: required
      retry: {max_attempts: 1, wait_initial: 20s}
      verify: {within: 2m}
      undo: true
      release: {action: resume, after: 30s}
      cooldown: 5m
    escalate: [{notify: oncall}, {notify: team-lead, after: 15m, severity: critical}]
    examples:
      - given: {kind: error_rate, value: 8, tags: batch, version: null}
        facts: {deploys: [{age: 10m}, {project: mailer}], incidents: [{kind: down}]}
        standing: {attempts: 1, breaker: open}
        expect: hold
"""


def _rule(text: str) -> Rule:
    (rule,) = read_rules_text(text, "rules.yaml")
    return rule


def _short(fields: str) -> Rule:
    return _rule("rules: [{name: short, " + fields + "}]")


def test_a_rule_says_who_it_is_and_where_it_stands() -> None:
    rule = _rule(WHOLE)
    assert (rule.name, rule.file, rule.line) == ("errors-after-deploy", "rules.yaml", 3)
    assert (rule.priority, rule.mode) == (50, "shadow")
    assert rule.description == "going back is known to work"


def test_conditions_become_tests() -> None:
    when = _rule(WHOLE).when
    assert when.kinds == ("error_rate",)
    assert when.all == (
        Demand(field="value", operator="gte", operand=5.0),
        Demand(field="value", operator="lt", operand=50.0),
    )
    assert when.any == (
        (Demand(field="tags", operator="eq", operand="batch"),),
        (Demand(field="severity", operator="eq", operand="critical"),),
    )
    assert [[test.field for test in condition] for condition in when.unless] == [
        ["project", "status"]
    ]


def test_joins_are_in_the_order_of_with_and_absent() -> None:
    deploys, incidents = _rule(WHOLE).joins
    assert (deploys.fact, deploys.same, deploys.min) == ("deploy", ("project",), 2)
    assert (deploys.within, deploys.absent) == (timedelta(minutes=30), False)
    assert (incidents.fact, incidents.differs, incidents.absent) == ("incident", ("project",), True)
    assert incidents.when == (
        Demand(field="kind", operator="not_in", operand=("latency",)),
        Demand(field="value", operator="gt", operand=Arithmetic("*", Field("value"), 2.0)),
    )


def test_what_follows_is_an_action_with_all_its_care() -> None:
    then = _rule(WHOLE).then
    assert (then.step, then.action, then.on) == ("act", "rollback", "dependency")
    assert then.parameters == {"to": "previous", "replicas": 2, "force": True}
    assert then.approval == "required"
    assert then.retry is not None
    assert (then.retry.max_attempts, then.retry.wait_initial) == (1, timedelta(seconds=20))
    assert then.verify_within == timedelta(minutes=2)
    assert then.release is not None
    assert (then.release.action, then.release.after) == ("resume", timedelta(seconds=30))
    assert (then.undo, then.cooldown) == (True, timedelta(minutes=5))


def test_what_follows_can_be_a_reason_alone() -> None:
    examples = "examples: [{given: {kind: down}, expect: match}]"
    suppressing = _short(f"when: {{kind: any}}, then: {{suppress: known}}, {examples}").then
    assert (suppressing.step, suppressing.reason) == ("suppress", "known")
    telling = _short(f"when: {{kind: any}}, then: {{escalate: odd}}, {examples}").then
    assert (telling.step, telling.reason) == ("escalate", "odd")


def test_what_is_not_said_is_left_to_the_settings() -> None:
    rule = _short(f"when: {{kind: down}}, {REST}")
    assert (rule.priority, rule.mode, rule.joins, rule.escalate) == (100, "active", (), ())
    assert (rule.then.retry, rule.then.verify_within, rule.then.cooldown) == (None, None, None)
    assert (rule.then.approval, rule.then.undo, rule.then.on) == ("by_risk", True, "project")


def test_an_example_is_completed_with_what_every_incident_has() -> None:
    (example,) = _rule(WHOLE).examples
    assert example.given["kind"] == "error_rate"
    assert example.given["value"] == 8.0
    assert example.given["tags"] == ("batch",)
    assert example.given["version"] is None
    assert example.given["project"] == "example"
    assert example.given["attempts"] == 1.0
    assert (example.expect, example.line) == ("hold", 29)
    assert example.standing == {"attempts": 1, "breaker": "open"}


def test_the_facts_of_an_example_are_of_its_project_and_a_minute_old() -> None:
    (example,) = _rule(WHOLE).examples
    first, second = example.facts["deploy"]
    assert first == {"project": "example", "status": "finished", "age": timedelta(minutes=10)}
    assert (second["project"], second["age"]) == ("mailer", timedelta(minutes=1))
    (incident,) = example.facts["incident"]
    assert (incident["state"], incident["down"]) == ("open", True)


def test_kind_is_one_several_or_any() -> None:
    assert _short(f"when: {{kind: [cpu, memory]}}, {REST}").when.kinds == ("cpu", "memory")
    assert _short(f"when: {{kind: any}}, {REST}").when.kinds is None


def test_a_list_is_one_of_these() -> None:
    tests = _short(f"when: {{kind: cpu, severity: [info, warning]}}, {REST}").when.all
    assert tests == (Demand(field="severity", operator="in", operand=("info", "warning")),)


def test_any_metric_of_the_project_can_be_asked_about() -> None:
    tests = _short(f"when: {{kind: cpu, metrics.queue-depth: {{gt: 100}}}}, {REST}").when.all
    assert tests == (Demand(field="metrics.queue-depth", operator="gt", operand=100.0),)
    assert signal_field_kind("metrics.") is None


def test_off_is_a_mode_and_no_switch() -> None:
    assert _short(f"mode: off, when: {{kind: cpu}}, {REST}").mode == "off"


def test_an_expression_without_a_field_is_a_number() -> None:
    tests = _short(f'when: {{kind: cpu, value: {{gt: "= 2 * (40 + 5)"}}}}, {REST}').when.all
    assert tests == (Demand(field="value", operator="gt", operand=90.0),)


def test_hidden_files_and_other_files_are_no_rule_files(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yml", ".#a.yaml", "a.yaml~", "notes.md", "more/c.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [str(path.relative_to(tmp_path)) for path in rule_files([tmp_path, tmp_path])]
    assert found == ["a.yaml", "b.yml", "more/c.yaml"]


def test_one_file_can_stand_for_a_folder() -> None:
    book = read_rules([RULES / "library" / "memory.yaml"])
    assert {rule.when.kinds for rule in book.rules} == {("memory",)}


@pytest.fixture(scope="module")
def library() -> RuleBook:
    return read_rules([RULES / "library", RULES / "learned"])


def test_the_rules_that_come_with_the_product_are_right(library: RuleBook) -> None:
    assert len(library.rules) >= 14
    assert all(rule.description and rule.mode == "active" for rule in library.rules)


def test_rules_are_in_the_order_in_which_they_are_asked(library: RuleBook) -> None:
    order = [(rule.priority, rule.name) for rule in library.rules]
    assert order == sorted(order)


def test_each_rule_that_comes_with_the_product_shows_when_it_is_not_meant(
    library: RuleBook,
) -> None:
    for rule in library.rules:
        expected = {example.expect for example in rule.examples}
        assert "no_match" in expected, rule.name
        assert expected - {"no_match"}, rule.name


def test_no_rule_that_comes_with_the_product_names_a_contact(library: RuleBook) -> None:
    assert [rule.name for rule in library.rules if rule.escalate] == []
