"""Rules tried in the situations that their files give."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from config.errors import Fault
from config.healing import RetrySettings
from rules.durable_host import EngineError
from rules.engine import Engine
from rules.facts import Fact, FactType, FieldValue, Signal
from rules.policy import Approval, Autonomy, Hold, Standing, Verdict
from rules.rule import Example, Rule

_NOW: Final = datetime(2026, 1, 7, 12, tzinfo=UTC)
_USUAL: Final = RetrySettings()
"""Of a rule that leaves its attempts to the hub's settings."""


def run_examples(engine: Engine) -> list[Fault]:
    """Return a fault for each example of an active or shadow rule that comes out otherwise.

    An example is about its own rule alone, whatever other rules say of the situation. A step is
    what the policy says of the rule's standing, as if the rule were active; approval is needed
    where the rule or the project's autonomy asks for it, risks of actions are not known here.
    """
    return [
        fault
        for rule in engine.book.rules
        if rule.mode != "off"
        for fault in examples_of(engine, rule)
    ]


def examples_of(engine: Engine, rule: Rule) -> Iterator[Fault]:
    """Yield the faults of the examples of one rule."""
    for index, example in enumerate(rule.examples):
        try:
            verdict = verdict_on(engine, rule, example)
        except EngineError as error:
            came = f"an error: {error}"
        else:
            if outcome(verdict, example) == example.expect:
                continue
            came = f"{verdict.step} ({verdict.reason})" if verdict else "no_match"
        field = f"rules.{rule.name}.examples[{index}].expect"
        problem = f"must be {example.expect}, came out as {came}"
        yield Fault(rule.file, example.line, field, problem)


def outcome(verdict: Verdict | None, example: Example) -> str:
    """Return a verdict in the words of `expect`: a step, or whether the rule matches."""
    if verdict is None:
        return "no_match"
    return "match" if example.expect in {"match", "no_match"} else verdict.step


def verdict_on(engine: Engine, rule: Rule, example: Example) -> Verdict | None:
    """Return the step that the rule takes in an example, None where it does not match.

    Raises:
        EngineError: the engine failed.
    """
    matches = engine.match(signal_of(example), list(_facts(example)))
    if all(match.rule.name != rule.name for match in matches):
        return None
    return engine.decide([standing_of(rule, example)])


def signal_of(example: Example) -> Signal:
    return Signal(at=_NOW, fields=example.given)


def standing_of(rule: Rule, example: Example) -> Standing:
    """Return where the rule stands in an example; what it does not say is at its beginning."""
    known, then = example.standing, rule.then
    if then.step != "act":
        return Standing(rule=rule.name, wish=then.step)
    autonomy: Autonomy = known.get("autonomy") or _autonomy(example)
    approval: Approval = known.get("approval", "none")
    hold: Hold = "breaker_open" if known.get("breaker") == "open" else "none"
    return Standing(
        rule=rule.name,
        declared=known.get("declared", True),
        autonomy=autonomy,
        approval_needed=then.approval == "required" or autonomy == "approve",
        approval=approval,
        attempts=known.get("attempts", 0),
        max_attempts=(then.retry or _USUAL).max_attempts,
        hold=hold,
    )


def _autonomy(example: Example) -> Any:
    given = example.given.get("autonomy")
    return given if given in {"observe", "suggest", "approve", "auto"} else "auto"


def _facts(example: Example) -> Iterator[Fact]:
    for kind, given in example.facts.items():
        for fields in given:
            yield _fact(kind, dict(fields))


def _fact(kind: FactType, given: dict[str, Any]) -> Fact:
    age = given.pop("age", timedelta())
    fields: dict[str, FieldValue] = given
    return Fact(type=kind, at=_NOW - age, fields=fields)
