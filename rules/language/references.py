"""What rules name and only other files can tell: actions that projects declare, and contacts."""

from collections.abc import Collection, Iterable, Iterator

from config.action_spec import VERBS
from config.contacts import unknown_contacts
from config.errors import Fault
from config.quoting import quoted
from config.sentences import suggestion
from rules.rule import Rule


def reference_faults(
    rules: Iterable[Rule],
    *,
    actions: Collection[str] | None = None,
    contacts: Collection[str] | None = None,
) -> list[Fault]:
    """Return a fault for each contact that there is not, and each action that nobody declares.

    `actions` are those of all projects. The actions that Opslore knows need not be declared: a
    rule for them is for the project that will. Where it is not known which there are, None, no
    such fault is found. Faults are in the line of the rule.
    """
    faults: list[Fault] = []
    for rule in rules:
        faults += [] if actions is None else _unknown_actions(rule, actions)
        faults += [] if contacts is None else _unknown_contacts(rule, contacts)
    return faults


def _unknown_actions(rule: Rule, actions: Collection[str]) -> Iterator[Fault]:
    then, release = rule.then, rule.then.release
    for field, action in (("action", then.action), ("release.action", release and release.action)):
        if action and action not in VERBS and action not in actions:
            hint = suggestion(action, {*VERBS, *actions})
            problem = f"must be an action of a project, got {quoted(action)}{hint}"
            yield Fault(rule.file, rule.line, f"rules.{rule.name}.then.{field}", problem)


def _unknown_contacts(rule: Rule, contacts: Collection[str]) -> Iterator[Fault]:
    for index, problem in unknown_contacts(rule.escalate, contacts):
        field = f"rules.{rule.name}.escalate[{index}].notify"
        yield Fault(rule.file, rule.line, field, problem)
