"""A name for what rules say, whatever the way in which they are written."""

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any, Final

from config.durations import format_duration
from rules.language.terms import format_expression
from rules.rule import Arithmetic, Condition, Field, Join, Operand, Rule, Test, Then

_DIGITS: Final = 12


def version_of(rules: Iterable[Rule]) -> str:
    """Return 12 hex digits of the SHA-256 of what the active and shadow rules say."""
    text = json.dumps(content_of(rules), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def content_of(rules: Iterable[Rule]) -> list[dict[str, Any]]:
    """Return what the active and shadow rules say, by name, as JSON can hold it.

    Without what changes no decision: files, lines, descriptions, examples and the order in which
    tests, alternatives and joins are written.
    """
    said = (_rule(rule) for rule in rules if rule.mode != "off")
    return sorted(said, key=lambda content: str(content["name"]))


def _rule(rule: Rule) -> dict[str, Any]:
    when = rule.when
    return {
        "name": rule.name,
        "priority": rule.priority,
        "mode": rule.mode,
        "kinds": None if when.kinds is None else sorted(when.kinds),
        "all": _condition(when.all),
        "any": _unordered(map(_condition, when.any)),
        "unless": _unordered(map(_condition, when.unless)),
        "joins": _unordered(map(_join, rule.joins)),
        "then": _then(rule.then),
        "escalate": [step.model_dump(mode="json") for step in rule.escalate],
    }


def _condition(condition: Condition) -> list[Any]:
    return _unordered([test.field, test.operator, _operand(test)] for test in condition)


def _operand(test: Test) -> Any:
    operand: Operand = test.operand
    match operand:
        case tuple():
            return _unordered(operand)
        case re.Pattern():
            return operand.pattern
        case Field() | Arithmetic():
            return {"expression": format_expression(operand)}
        case scalar:
            return scalar


def _join(join: Join) -> dict[str, Any]:
    return {
        "fact": join.fact,
        "same": sorted(join.same),
        "differs": sorted(join.differs),
        "when": _condition(join.when),
        "within": format_duration(join.within),
        "min": join.min,
        "absent": join.absent,
    }


def _then(then: Then) -> dict[str, Any]:
    release = then.release
    return {
        "step": then.step,
        "action": then.action,
        "parameters": dict(then.parameters),
        "on": then.on,
        "approval": then.approval,
        "retry": then.retry.model_dump(mode="json") if then.retry else None,
        "verify_within": format_duration(then.verify_within) if then.verify_within else None,
        "undo": then.undo,
        "release": [release.action, format_duration(release.after)] if release else None,
        "cooldown": None if then.cooldown is None else format_duration(then.cooldown),
        "reason": then.reason,
    }


def _unordered(items: Iterable[Any]) -> list[Any]:
    return sorted(items, key=json.dumps)
