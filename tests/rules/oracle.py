"""What the rules mean, in plain Python and without an engine: what the engine is held against.

Written from the description of the language alone; it shares nothing with the compiler.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any

from rules.facts import FACT_FIELDS, Fact, Signal, signal_field_kind
from rules.policy import Standing, Verdict
from rules.rule import Arithmetic, Field, Join, Rule, RuleBook, Test

Seen = Mapping[str, Any]


def match(book: RuleBook, signal: Signal, facts: Sequence[Fact]) -> list[tuple[str, list[Fact]]]:
    """Return the names of the rules that hold, in order, with the facts of their joins."""
    seen = {
        name: value
        for name, raw in signal.fields.items()
        if (value := clean(raw, signal_field_kind(name))) is not None
    }
    matched = []
    for rule in book.rules:
        if rule.mode != "off" and holds_for(rule, seen):
            taken = [take_part(join, signal, seen, facts) for join in rule.joins]
            if all(
                (len(part) < join.min) if join.absent else (len(part) >= join.min)
                for join, part in zip(rule.joins, taken, strict=True)
            ):
                wanted = {
                    number
                    for join, part in zip(rule.joins, taken, strict=True)
                    if not join.absent
                    for number in part
                }
                matched.append((rule.name, [facts[number] for number in sorted(wanted)]))
    return matched


def holds_for(rule: Rule, seen: Seen) -> bool:
    when = rule.when
    if when.kinds is not None and seen.get("kind") not in when.kinds:
        return False
    return (
        all_hold(when.all, seen, seen)
        and (not when.any or any(all_hold(condition, seen, seen) for condition in when.any))
        and not any(all_hold(condition, seen, seen) for condition in when.unless)
    )


def take_part(join: Join, signal: Signal, seen: Seen, facts: Sequence[Fact]) -> list[int]:
    """Return the numbers of the different facts that take part, the first of equal ones."""
    part: list[tuple[Any, int]] = []
    for number, fact in enumerate(facts):
        kinds = FACT_FIELDS[fact.type]
        fields = {
            name: value
            for name, raw in fact.fields.items()
            if (value := clean(raw, kinds.get(name))) is not None
        }
        if (
            fact.type == join.fact
            and timedelta(0) <= signal.at - fact.at <= join.within
            and all(is_same(fields.get(name), seen.get(name)) for name in join.same)
            and not any(is_same(fields.get(name), seen.get(name)) for name in join.differs)
            and all_hold(join.when, fields, seen)
            and not any(known == (fact.at, fields) for known, _ in part)
        ):
            part.append(((fact.at, fields), number))
    return [number for _, number in part]


def is_same(one: Any, other: Any) -> bool:
    return one is not None and other is not None and one == other


def all_hold(tests: Iterable[Test], fields: Seen, signal: Seen) -> bool:
    return all(holds(test, fields.get(test.field), signal) for test in tests)


def holds(test: Test, value: Any, signal: Seen) -> bool:  # noqa: PLR0911 - one line per operator
    operand: Any = test.operand
    if test.operator == "exists":
        return operand is (value is not None)
    if test.operator == "ne":
        return not is_equal(value, calculate(operand, signal))
    if test.operator == "not_in":
        return not any(is_equal(value, item) for item in operand)
    if value is None:
        return False
    match test.operator:
        case "eq":
            return is_equal(value, calculate(operand, signal))
        case "in":
            return any(is_equal(value, item) for item in operand)
        case "glob":
            return any(fnmatchcase(text, operand) for text in texts(value))
        case "regex":
            return any(operand.search(text) for text in texts(value))
    bound = calculate(operand, signal)
    if bound is None:
        return False
    answers: dict[str, bool] = {
        "gt": value > bound,
        "gte": value >= bound,
        "lt": value < bound,
        "lte": value <= bound,
    }
    return bool(answers[test.operator])


def texts(value: Any) -> Sequence[str]:
    return value if isinstance(value, tuple) else [value]


def is_equal(value: Any, other: Any) -> bool:
    if value is None or other is None:
        return False
    return other in value if isinstance(value, tuple) else bool(value == other)


def calculate(operand: Any, signal: Seen) -> Any:
    if isinstance(operand, Field):
        return signal.get(operand.name)
    if not isinstance(operand, Arithmetic):
        return operand
    left, right = calculate(operand.left, signal), calculate(operand.right, signal)
    if left is None or right is None:
        return None
    match operand.operator:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right


def clean(value: Any, kind: str | None) -> Any:
    """Return what rules see of a value; None when that is nothing."""
    if kind == "number" and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if abs(value) < 2**53 and not math.isnan(value) else None
    if kind == "text" and isinstance(value, str):
        cut = value[:500]
        try:
            cut.encode()
        except UnicodeEncodeError:
            return None
        return cut
    if kind == "flag" and isinstance(value, bool):
        return value
    if kind == "tags" and isinstance(value, tuple | list):
        return tuple(tag for item in value if (tag := clean(item, "text")) is not None)
    return None


def decide(standings: Sequence[Standing]) -> Verdict:
    """Return the verdict over standings that are in the order of their matches."""
    verdicts = [verdict(standing) for standing in standings if not standing.shadow]
    if not verdicts:
        return Verdict(step="escalate", reason="no_rule", rule=None)
    for one in verdicts:
        if one.step == "suppress":
            return one
    for one in verdicts:
        if one.reason not in ("not_declared", "parameters_invalid"):
            return one
    return verdicts[0]


def verdict(at: Standing) -> Verdict:  # noqa: PLR0912 - the policy, line by line
    step: Any
    if at.wish == "suppress":
        step, reason = "suppress", "matched"
    elif not at.declared:
        step, reason = "denied", "not_declared"
    elif not at.parameters_valid:
        step, reason = "denied", "parameters_invalid"
    elif at.autonomy in ("observe", "suggest"):
        step, reason = "denied", f"autonomy_{at.autonomy}"
    elif at.wish == "escalate":
        step, reason = "escalate", "matched"
    elif at.attempts >= at.max_attempts:
        step, reason = "escalate", "attempts_used_up"
    elif at.permanent_failure:
        step, reason = "escalate", "permanent_failure"
    elif at.approval == "rejected":
        step, reason = "escalate", "rejected"
    elif at.approval == "expired":
        step, reason = "escalate", "approval_expired"
    elif at.hold != "none":
        step, reason = "hold", at.hold
    elif at.backoff_left_s > 0:
        step, reason = "wait", "backing_off"
    elif at.approval == "pending":
        step, reason = "await_approval", "approval_pending"
    elif at.approval_needed and at.approval == "none":
        step, reason = "request_approval", "approval_needed"
    else:
        step, reason = "run", "matched"
    return Verdict(step=step, reason=reason, rule=at.rule)
