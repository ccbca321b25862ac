"""What rules name has to be there."""

from rules.language.reading import read_rules_text
from rules.language.references import reference_faults

RULES = read_rules_text(
    """
rules:
  - name: drain
    when: {kind: latency}
    then: {action: drain-queue, release: {action: refill-queue, after: 1m}}
    escalate: [{notify: oncall}, {notify: team-lead}]
    examples: [{given: {kind: latency}, expect: match}]
  - name: restart
    when: {kind: down}
    then: {action: restart}
    examples: [{given: {kind: down}, expect: match}]
""",
    "rules.yaml",
)


def test_what_is_there_is_no_fault() -> None:
    actions = {"drain-queue", "refill-queue"}
    assert reference_faults(RULES, actions=actions, contacts={"oncall", "team-lead"}) == []


def test_an_action_that_no_project_declares_is_a_fault() -> None:
    (fault,) = reference_faults(RULES, actions={"drain-queue"}, contacts={"oncall", "team-lead"})
    assert str(fault) == (
        "rules.yaml:3: rules.drain.then.release.action:"
        ' must be an action of a project, got "refill-queue": did you mean drain-queue?'
    )


def test_a_contact_that_is_not_there_is_a_fault() -> None:
    actions = {"drain-queue", "refill-queue"}
    (fault,) = reference_faults(RULES, actions=actions, contacts={"oncall", "teamlead"})
    assert str(fault) == (
        "rules.yaml:3: rules.drain.escalate[1].notify:"
        ' must be a contact of the hub file, got "team-lead": did you mean teamlead?'
    )


def test_what_nobody_knows_of_is_not_looked_for() -> None:
    assert reference_faults(RULES) == []
