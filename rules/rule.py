"""A rule as everything but its file sees it: read, checked, and free of YAML."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, Literal

from config.escalation import EscalationStep
from config.healing import RetrySettings
from rules.facts import FactType, FieldValue

Scalar = str | float | bool
"""A value in a rule's file; whole numbers are held as float."""

Operator = Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "not_in", "exists", "glob", "regex"]
Mode = Literal["active", "shadow", "off"]


@dataclass(frozen=True, slots=True)
class Field:
    """A number of the signal, in an expression."""

    name: str


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Two terms, calculated; there is no division."""

    operator: Literal["+", "-", "*"]
    left: "Term"
    right: "Term"


Term = float | Field | Arithmetic
Operand = Scalar | tuple[Scalar, ...] | Field | Arithmetic | re.Pattern[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """One demand on one field.

    The operand is a tuple for `in` and `not_in`, a flag for `exists`, a compiled pattern for
    `regex` (to be searched for), a text for `glob`; for `eq`, `ne` and the comparisons it is a
    scalar, or a term over the signal's fields.
    """

    __test__: ClassVar[bool] = False  # or pytest takes it for a class of tests
    field: str
    operator: Operator
    operand: Operand


Condition = tuple[Test, ...]
"""Tests that must all hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """What the signal must be like. `kinds` None is any kind; `any` empty makes no demand."""

    kinds: tuple[str, ...] | None
    all: Condition = ()
    any: tuple[Condition, ...] = ()
    unless: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """At least `min` facts that fit beside the signal, or fewer than `min` when `absent`.

    `same` and `differs` are fields of both the fact and the signal. `when` tests the fact's
    fields; a term in it is calculated from the signal's.
    """

    fact: FactType
    same: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()
    when: Condition = ()
    within: timedelta
    min: int = 1
    absent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The action that ends what the rule did, once the project was calm for `after`."""

    action: str
    after: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Then:
    """What to do. What is None is for the hub's settings to say.

    `undo` asks for the action's undo when all attempts failed. `reason` is set for `suppress`
    and `escalate`, `action` for `act`.
    """

    step: Literal["act", "suppress", "escalate"]
    action: str | None = None
    parameters: Mapping[str, Scalar] = field(default_factory=dict)
    on: Literal["project", "dependency"] = "project"
    approval: Literal["required", "not_required", "by_risk"] = "by_risk"
    retry: RetrySettings | None = None
    verify_within: timedelta | None = None
    undo: bool = True
    release: Release | None = None
    cooldown: timedelta | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A situation, and what the rule must make of it.

    `given` are the signal's fields, with kind, project and what else is always there filled in.
    `facts` are listed by their type, each with its `age` (a timedelta) and its fields, project
    filled in. `standing` holds what is known of the rule in this situation, and only what the
    file gives: attempts (an int), breaker ("open"), approval, autonomy, declared. `expect` is a
    step of the policy, "match" or "no_match".
    """

    given: Mapping[str, FieldValue]
    facts: Mapping[FactType, tuple[Mapping[str, FieldValue | timedelta], ...]] = field(
        default_factory=dict
    )
    standing: Mapping[str, Any] = field(default_factory=dict)
    expect: str
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Conditions and what follows from them. `line` is where it begins in `file`."""

    name: str
    file: str = ""
    line: int = 0
    description: str = ""
    priority: int = 100
    mode: Mode = "active"
    when: When
    joins: tuple[Join, ...] = ()
    then: Then
    escalate: tuple[EscalationStep, ...] = ()
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleBook:
    """All rules, by priority and then by name.

    `version` is 12 hex digits that stand for what the active and shadow rules say, whatever
    their comments, layout and files.
    """

    rules: tuple[Rule, ...]
    version: str
