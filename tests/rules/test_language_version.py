"""The version of rules says what they say, not how they are written."""

import pytest

from rules.language.reading import book_of, read_rules_text

RULE = """
rules:
  - name: leak
    description: memory that does not come back
    priority: 50
    when: {kind: [memory, cpu], value: {gte: "= baseline * 2", lt: 99}, severity: critical}
    any: [{tags: batch}, {tags: {in: [a, b]}}]
    unless: [{title: {regex: "test"}}]
    with: [{fact: deploy, same: [project], when: {status: finished}, within: 60m}]
    absent: [{fact: incident, same: [project], when: {kind: down}, within: 5m}]
    then: {action: restart, parameters: {a: 1}, retry: {max_attempts: 2}, cooldown: 60s}
    escalate: [{notify: oncall}]
    examples: [{given: {kind: memory}, expect: no_match}]
  - name: other
    mode: off
    when: {kind: any}
    then: {suppress: nothing}
    examples: [{given: {kind: memory}, expect: match}]
"""
SAME = [
    ("# expect", "# a comment\n# expect"),
    ("description: memory that does not come back", "description: another text"),
    ("kind: [memory, cpu]", "kind: [cpu, memory]"),
    ('{gte: "= baseline * 2", lt: 99}', '{lt: 99.0, gte: "=(baseline)*2.0"}'),
    ("severity: critical", "severity: {eq: critical}"),
    ("[{tags: batch}, {tags: {in: [a, b]}}]", "[{tags: {in: [b, a]}}, {tags: batch}]"),
    ("within: 60m", "within: 1h"),
    ("cooldown: 60s", "cooldown: 1m"),
    ("{notify: oncall}", "{notify: oncall, after: 0s}"),
    ("expect: no_match", "expect: match"),
    ("suppress: nothing", "suppress: another reason of a rule that is off"),
]
OTHER = [
    ("name: leak", "name: leaks"),
    ("priority: 50", "priority: 51"),
    ("priority: 50", "mode: shadow"),
    ("kind: [memory, cpu]", "kind: memory"),
    ("kind: [memory, cpu]", "kind: any"),
    ("baseline * 2", "baseline * 3"),
    ("lt: 99", "lte: 99"),
    ("severity: critical", "severity: warning"),
    ("{tags: batch}", "{tags: {ne: batch}}"),
    ("any:", "unless:"),
    ('regex: "test"', 'glob: "test"'),
    ("same: [project], when: {status", "differs: [project], when: {status"),
    ("within: 60m", "within: 61m"),
    ("within: 60m", "within: 60m, min: 2"),
    ("absent:", "with:"),
    ("action: restart", "action: pause"),
    ("{a: 1}", "{a: 2}"),
    ("max_attempts: 2", "max_attempts: 3"),
    ("cooldown: 60s", "approval: required"),
    ("notify: oncall", "notify: lead"),
    ("mode: off", "mode: shadow"),
]


def _version(text: str) -> str:
    return book_of(read_rules_text(text, "rules.yaml")).version


def _changed(before: str, after: str) -> str:
    text = RULE.replace(before, after, 1)
    if before in {"any:", "absent:"}:  # its counterpart is there already
        gone = {"any:": "    unless: [{title", "absent:": "    with: [{fact: deploy"}[before]
        text = "\n".join(line for line in text.splitlines() if not line.startswith(gone)) + "\n"
    return text


def test_the_version_is_twelve_hex_digits() -> None:
    assert len(_version(RULE)) == 12
    int(_version(RULE), 16)


@pytest.mark.parametrize(("before", "after"), SAME)
def test_another_way_to_write_it_is_the_same_version(before: str, after: str) -> None:
    assert _version(RULE.replace(before, after, 1)) == _version(RULE)


@pytest.mark.parametrize(("before", "after"), OTHER)
def test_another_meaning_is_another_version(before: str, after: str) -> None:
    assert _version(_changed(before, after)) != _version(RULE)


def test_the_order_of_rules_and_files_does_not_matter() -> None:
    rules = read_rules_text(RULE, "a.yaml") + read_rules_text(
        RULE.replace("name: leak", "name: third").replace("name: other", "name: fourth"), "b.yaml"
    )
    assert book_of(rules).version == book_of(reversed(rules)).version
