"""The words of the rule language: fields, what each may hold, and what can be asked of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, get_args

from config.escalation import SEVERITIES
from config.sentences import suggestion
from data.records import HealthStatus
from data.states import AttemptState, Detector, Direction, IncidentState
from rules.facts import FACT_FIELDS, METRICS, SIGNAL_FIELDS, FactType, FieldKind
from rules.rule import Operator

FACT_TYPES: Final[tuple[FactType, ...]] = get_args(FactType)
PLURALS: Final[Mapping[str, FactType]] = {
    "incidents": "incident",
    "deploys": "deploy",
    "actions": "action",
    "maintenance": "maintenance",
    "silences": "silence",
}
"""What the facts of an example are listed under."""

AUTONOMIES: Final = ("observe", "suggest", "approve", "auto")
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_ANY_KIND: Final[tuple[Operator, ...]] = ("eq", "ne", "in", "not_in", "exists")
OPERATORS: Final[Mapping[FieldKind, tuple[Operator, ...]]] = {
    "text": (*_ANY_KIND, "glob", "regex"),
    "number": (*_ANY_KIND, "gt", "gte", "lt", "lte"),
    "flag": ("eq", "ne", "exists"),
    "tags": (*_ANY_KIND, "glob", "regex"),
}
_OTHER_WORDS: Final[Mapping[str, Operator]] = {
    "=": "eq", "==": "eq", "equals": "eq", "is": "eq", "!=": "ne", "not": "ne", "is_not": "ne",
    ">": "gt", "above": "gt", "more_than": "gt", "greater": "gt", ">=": "gte", "at_least": "gte",
    "min": "gte", "<": "lt", "below": "lt", "less_than": "lt", "less": "lt", "<=": "lte",
    "at_most": "lte", "max": "lte", "one_of": "in", "any_of": "in", "none_of": "not_in",
    "contains": "glob", "like": "glob", "matches": "regex", "match": "regex",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The fields of one thing, and the only values that some of them ever hold."""

    word: str
    owner: str
    fields: Mapping[str, FieldKind]
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    has_metrics: bool = False

    def kind_of(self, name: str) -> FieldKind | None:
        """Return what a field holds, or None when there is no such field."""
        if self.has_metrics and name.startswith(METRICS) and len(name) > len(METRICS):
            return "number"
        return self.fields.get(name)

    def unknown(self, name: str) -> str:
        """Return the sentence that says that there is no such field."""
        text = f"is not a field of {self.owner}"
        if self.has_metrics and name.partition(".")[0] in {"metrics", "metric"}:
            return f"{text}: write {METRICS}<name>, as {METRICS}queue_depth"
        return text + (suggestion(name, self.fields) or f": there are {', '.join(self.fields)}")


SIGNAL: Final = Vocabulary(
    word="signal",
    owner="the incident",
    fields=SIGNAL_FIELDS,
    choices={
        "severity": SEVERITIES,
        "detector": get_args(Detector),
        "direction": get_args(Direction),
        "weekday": WEEKDAYS,
        "status": get_args(HealthStatus),
        "autonomy": AUTONOMIES,
    },
    has_metrics=True,
)
_FACT_CHOICES: Final[Mapping[FactType, Mapping[str, tuple[str, ...]]]] = {
    "incident": {"severity": SEVERITIES, "state": get_args(IncidentState)},
    "deploy": {"status": ("finished",)},
    "action": {"state": get_args(AttemptState)},
}
_ARTICLES: Final[Mapping[FactType, str]] = {"incident": "an incident", "action": "an action"}
FACTS: Final[Mapping[FactType, Vocabulary]] = {
    fact: Vocabulary(
        word=fact,
        owner=f"{_ARTICLES.get(fact, f'a {fact}')} as a fact",
        fields=fields,
        choices=_FACT_CHOICES.get(fact, {}),
    )
    for fact, fields in FACT_FIELDS.items()
}


def unknown_operator(word: str, kind: FieldKind) -> str:
    """Return the sentence that says that a word is no operator, or not one for such a field."""
    there_are = ", ".join(OPERATORS[kind])
    if word in get_args(Operator):
        return f"is not an operator for {_name_of(kind)}: there are {there_are}"
    text = "is not an operator"
    if meant := _OTHER_WORDS.get(word):
        return f"{text}: did you mean {meant}?"
    return text + (suggestion(word, OPERATORS[kind]) or f": there are {there_are}")


def _name_of(kind: FieldKind) -> str:
    return {"number": "a number", "flag": "a yes-or-no field"}.get(kind, kind)
