"""Random rules, signals, facts and standings: few values, so that they meet, and nasty ones."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from hypothesis import strategies as st

from rules.facts import FACT_FIELDS, SIGNAL_FIELDS, Fact, FactType, FieldKind, Signal
from rules.policy import Approval, Autonomy, Hold, Standing, Wish
from rules.rule import (
    Arithmetic,
    Condition,
    Field,
    Join,
    Operator,
    Rule,
    RuleBook,
    Term,
    Test,
    Then,
    When,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KINDS = ("cpu", "memory", "down", "köln")
SIGNAL_KINDS: dict[str, FieldKind] = {
    **SIGNAL_FIELDS, "metrics.queue": "number", "metrics.q.π": "number"
}  # fmt: skip
FACT_TYPES: tuple[FactType, ...] = get_args(FactType)
NUMBERS = sorted(name for name, kind in SIGNAL_KINDS.items() if kind == "number")
THEN = Then(step="act", action="restart")

texts = st.sampled_from(
    ("a", "b", "", "cpu", "memory", "A", "true", "null", "~x", "é", "🔥", 'a"b', "a\\b", "a'b",
     "a\nb", "\x00", "5", "5.0", "a.b", "*", "x" * 200)
)  # fmt: skip
long_texts = st.sampled_from(("y" * 500, "y" * 501, "y" * 20_000, "\ud800", "a\udfff", "é" * 600))
numbers = st.one_of(
    st.sampled_from((0.0, -0.0, 1.0, 2.0, 5.0, -1.0, 0.1, 1e-5, 1.5e-300, 2.0**53 - 1, 5e-324)),
    st.floats(min_value=-100, max_value=100),
    st.floats(min_value=-(2.0**53), max_value=2.0**53, exclude_min=True, exclude_max=True),
)
bad_numbers = st.sampled_from((float("nan"), float("inf"), -float("inf"), 2.0**53, -1e300, 10**400))
PATTERNS = tuple(map(re.compile, ("a", "^b$", "[ab]+", "é|5", "y{3}$", "^$", "(?i)CPU")))
GLOBS = ("*", "a*", "?", "[ab]", "", "*b", "yyy*", "é", "[!a]*")


def values(kind: FieldKind) -> st.SearchStrategy[Any]:
    """Clean values mostly, and what a field of this kind must not hold."""
    wrong = st.sampled_from((None, True, 3, 3.5, "text", ("a",), float("nan")))
    right: dict[FieldKind, st.SearchStrategy[Any]] = {
        "text": st.one_of(texts, texts, texts, long_texts),
        "number": st.one_of(numbers, numbers, numbers, st.integers(-5, 5), bad_numbers),
        "flag": st.booleans(),
        "tags": st.lists(st.one_of(texts, long_texts), max_size=4).map(tuple),
    }
    return st.one_of(right[kind], right[kind], right[kind], right[kind], wrong)


@st.composite
def fields(draw: st.DrawFn, kinds: dict[str, FieldKind]) -> dict[str, Any]:
    chosen = draw(st.lists(st.sampled_from(sorted(kinds)), unique=True))
    return {name: draw(values(kinds[name])) for name in chosen}


@st.composite
def signals(draw: st.DrawFn) -> Signal:
    own = draw(fields(SIGNAL_KINDS))
    own |= {"kind": draw(st.sampled_from(KINDS)), "project": draw(texts)}
    if draw(st.integers(0, 9)) == 0:
        del own["kind"]
    return Signal(at=NOW, fields=own)


@st.composite
def facts(draw: st.DrawFn) -> Fact:
    kind = draw(st.sampled_from(FACT_TYPES))
    own = draw(fields(dict(FACT_FIELDS[kind])))
    age = draw(
        st.one_of(
            st.integers(-2, 100).map(lambda seconds: timedelta(seconds=seconds)),
            st.sampled_from((timedelta(minutes=1, microseconds=1), timedelta(days=40))),
        )
    )
    return Fact(type=kind, at=NOW - age, fields={"project": draw(texts), **own})


terms: st.SearchStrategy[Term] = st.recursive(
    st.one_of(st.sampled_from(NUMBERS).map(Field), numbers),
    lambda inner: st.builds(Arithmetic, st.sampled_from(("+", "-", "*")), inner, inner),
    max_leaves=6,
)


@st.composite
def tests(draw: st.DrawFn, kinds: dict[str, FieldKind]) -> Test:
    name = draw(st.sampled_from(sorted(kinds)))
    kind = kinds[name]
    operators: dict[FieldKind, Sequence[Operator]] = {
        "text": ("eq", "ne", "in", "not_in", "exists", "glob", "regex"),
        "number": ("eq", "ne", "gt", "gte", "lt", "lte", "in", "not_in", "exists"),
        "flag": ("eq", "ne", "exists"),
        "tags": ("eq", "ne", "in", "not_in", "exists", "glob", "regex"),
    }
    operator = draw(st.sampled_from(operators[kind]))
    scalar: dict[FieldKind, st.SearchStrategy[Any]] = {
        "text": texts, "tags": texts, "number": numbers, "flag": st.booleans()
    }  # fmt: skip
    operand: Any
    match operator:
        case "exists":
            operand = draw(st.booleans())
        case "in" | "not_in":
            operand = tuple(draw(st.lists(scalar[kind], min_size=1, max_size=4, unique=True)))
        case "glob":
            operand = draw(st.sampled_from(GLOBS))
        case "regex":
            operand = draw(st.sampled_from(PATTERNS))
        case _:
            operand = draw(terms if kind == "number" and draw(st.booleans()) else scalar[kind])
    return Test(field=name, operator=operator, operand=operand)


def conditions(kinds: dict[str, FieldKind], most: int) -> st.SearchStrategy[Condition]:
    return st.lists(tests(kinds), max_size=most).map(tuple)


@st.composite
def joins(draw: st.DrawFn) -> Join:
    kind = draw(st.sampled_from(FACT_TYPES))
    own = dict(FACT_FIELDS[kind])
    both = sorted(name for name, what in own.items() if SIGNAL_KINDS.get(name) == what != "tags")
    return Join(
        fact=kind,
        same=_some(draw, both),
        differs=_some(draw, both),
        when=draw(conditions(own, 2)),
        within=timedelta(seconds=draw(st.sampled_from((1, 60, 100_000)))),
        min=draw(st.sampled_from((1, 1, 1, 2, 3))),
        absent=draw(st.booleans()),
    )


def _some(draw: st.DrawFn, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in names if draw(st.integers(0, 3)) == 0)


@st.composite
def rules(draw: st.DrawFn, name: str = "rule") -> Rule:
    return Rule(
        name=name,
        priority=draw(st.sampled_from((0, 100, 1_000))),
        mode=draw(st.sampled_from(("active", "active", "active", "shadow", "off"))),
        when=When(
            kinds=draw(
                st.one_of(
                    st.none(),
                    st.lists(st.sampled_from(KINDS), min_size=1, unique=True).map(tuple),
                )
            ),
            all=draw(conditions(SIGNAL_KINDS, 2)),
            any=draw(st.lists(conditions(SIGNAL_KINDS, 2), max_size=3).map(tuple)),
            unless=draw(st.lists(conditions(SIGNAL_KINDS, 2), max_size=2).map(tuple)),
        ),
        joins=tuple(draw(st.lists(joins(), max_size=3))),
        then=THEN,
    )


@st.composite
def books(draw: st.DrawFn, most: int = 6) -> RuleBook:
    count = draw(st.integers(1, most))
    made = [draw(rules(f"rule-{number}")) for number in range(count)]
    ordered = sorted(made, key=lambda rule: (rule.priority, rule.name))
    return RuleBook(rules=tuple(ordered), version="0" * 12)


standings = st.builds(
    Standing,
    rule=st.sampled_from(("one", "two", "three")),
    shadow=st.booleans(),
    wish=st.sampled_from((*get_args(Wish), "act", "act", "act")),
    declared=st.sampled_from((True, True, True, False)),
    parameters_valid=st.sampled_from((True, True, True, False)),
    autonomy=st.sampled_from((*get_args(Autonomy), "auto", "auto", "auto")),
    approval_needed=st.booleans(),
    approval=st.sampled_from(get_args(Approval)),
    attempts=st.integers(0, 5),
    max_attempts=st.integers(1, 10),
    permanent_failure=st.sampled_from((False, False, True)),
    hold=st.sampled_from((*get_args(Hold), "none", "none", "none", "none", "none")),
    backoff_left_s=st.sampled_from((0.0, 0.0, 1e-9, 5.0, 1e12, float("inf"), -1.0)),
)
