"""What rules name and only other files can tell: actions that projects declare, and contacts."""

from collections.abc import Collection, Iterable, Iterator

from config.action_spec import VERBS

from config.errors import Fault
from config.quoting import quoted
from config.sentences import suggestion
from rules.rule import Rule


def reference_faults(
    rules: Iterable[Rule], *, actions: Collection[str], contacts: Collection[str]
) -> list[Fault]:
    """Return a fault for each contact that there is not, and each action that nobody declares.

    `actions` are those of all projects. The actions that Opslore knows need not be declared: a
    rule for them is for the project that will. Faults are in the line of the rule.
    """
    return [fault for rule in rules for fault in _faults(rule, actions, contacts)]


def _faults(rule: Rule, actions: Collection[str], contacts: Collection[str]) -> Iterator[Fault]:
    then, release = rule.then, rule.then.release
    for field, action in (("action", then.action), ("release.action", release and release.action)):
        if action and action not in VERBS and action not in actions:
            hint = suggestion(action, {*VERBS, *actions})
            problem = f"must be an action of a project, got {quoted(action)}{hint}"
            yield Fault(rule.file, rule.line, f"rules.{rule.name}.then.{field}", problem)
    for index, step in enumerate(rule.escalate):
        if step.notify not in contacts:
            hint = suggestion(step.notify, contacts)
            problem = f"must be a contact of the hub, got {quoted(step.notify)}{hint}"
            field = f"rules.{rule.name}.escalate[{index}].notify"
            yield Fault(rule.file, rule.line, field, problem)
