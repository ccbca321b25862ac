"""From what is written under `examples` to situations that a rule can be tried in."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field

from config.durations import format_duration, parse_duration
from config.quoting import quoted
from config.section import Section
from config.sentences import suggestion
from rules.facts import FactType, FieldKind, FieldValue
from rules.language.operands import Asked, read_scalar
from rules.language.place import Place
from rules.language.vocabulary import FACTS, PLURALS, SIGNAL, Vocabulary
from rules.rule import Example

STEPS: Final = (
    "run", "request_approval", "await_approval", "wait", "hold", "escalate", "denied", "suppress",
)  # fmt: skip
"""The steps of the policy that an example can expect."""

EXPECTATIONS: Final = (*STEPS, "match", "no_match")
_MOST_EXAMPLES: Final = 50
_MOST_FACTS: Final = 100
_DEFAULT_AGE: Final = timedelta(minutes=1)
_LONGEST_AGE: Final = timedelta(days=365)
_ALWAYS: Final[Mapping[str, FieldValue]] = {
    "project": "example",
    "severity": "warning",
    "title": "an example",
    "age_s": 60.0,
    "attempts": 0.0,
    "hour": 12.0,
    "weekday": "wed",
    "dependents": 0.0,
    "autonomy": "auto",
    "tags": (),
}
"""What every signal has, for what an example does not say."""

_STATUS_OF: Final = {"down": "down", "degraded": "degraded"}
_FACT_DEFAULTS: Final[Mapping[FactType, Mapping[str, FieldValue]]] = {
    "incident": {"state": "open", "severity": "warning", "tags": (), "down": False},
    "deploy": {"status": "finished"},
    "action": {"state": "completed", "by": "rule"},
    "maintenance": {"reason": "maintenance"},
    "silence": {"reason": "silenced"},
}
_NEEDED: Final[Mapping[FactType, str]] = {"incident": "kind", "action": "action"}


def _check_expectation(text: str) -> str:
    if text not in EXPECTATIONS:
        hint = suggestion(text, EXPECTATIONS)
        raise ValueError(f"must be one of {', '.join(EXPECTATIONS)}, got {quoted(text)}{hint}")
    return text


class StandingSection(Section):
    """Where the rule stands in the example, as far as it is not at its beginning."""

    attempts: int = Field(default=0, ge=0, le=100)
    breaker: Literal["closed", "open"] = "closed"
    approval: Literal["none", "pending", "approved", "rejected", "expired"] = "none"
    autonomy: Literal["observe", "suggest", "approve", "auto"] = "auto"
    declared: bool = True


class ExampleSection(Section):
    """One situation and what is to come of it."""

    given: dict[str, Any]
    facts: dict[str, list[dict[str, Any]]] = Field(default_factory=dict)
    standing: StandingSection = StandingSection()
    expect: Annotated[str, AfterValidator(_check_expectation)]


def read_examples(place: Place, rule: Mapping[str, Any]) -> tuple[Example, ...]:
    """Return the examples of a rule, completed with what every incident has."""
    given = rule.get("examples")
    if isinstance(given, list) and not 1 <= len(given) <= _MOST_EXAMPLES:
        problem = f"must have 1 to {_MOST_EXAMPLES} examples, got {len(given)}"
        place.into("examples").refuse(problem)
    read = [_read_example(here, item) for here, item in place.items("examples", rule)]
    return tuple(example for example in read if example is not None)


def _read_example(place: Place, given: Mapping[str, Any]) -> Example | None:
    section = place.read(ExampleSection, given)
    if section is None:
        return None
    standing = section.standing.model_dump(exclude_unset=True)
    fields = _read_signal(place.into("given"), section.given, standing)
    return Example(
        given=fields,
        facts=_read_facts(place.into("facts"), section.facts, fields.get("project")),
        standing=standing,
        expect=section.expect,
        line=place.document.line(place.at),
    )


def _read_signal(
    place: Place, given: Mapping[str, Any], standing: Mapping[str, Any]
) -> dict[str, FieldValue]:
    fields = dict(_read_fields(place, given, SIGNAL))
    if "kind" not in given:
        place.into("kind").refuse("is missing")
    usual = {
        **_ALWAYS,
        "status": _STATUS_OF.get(str(fields.get("kind")), "healthy"),
        "attempts": float(standing.get("attempts", 0)),
        "autonomy": standing.get("autonomy", "auto"),
    }
    return {**usual, **fields}


def _read_facts(
    place: Place, given: Mapping[str, list[dict[str, Any]]], project: FieldValue
) -> dict[FactType, tuple[Mapping[str, FieldValue | timedelta], ...]]:
    facts: dict[FactType, tuple[Mapping[str, FieldValue | timedelta], ...]] = {}
    for plural, items in given.items():
        here, fact = place.into(plural), PLURALS.get(plural)
        if fact is None:
            hint = suggestion(plural, PLURALS) or f": there are {', '.join(PLURALS)}"
            here.refuse(f"is not a list of facts{hint}")
        elif len(items) > _MOST_FACTS:
            here.refuse(f"must have at most {_MOST_FACTS} facts, got {len(items)}")
        else:
            facts[fact] = tuple(
                _read_fact(here.into(index), item, fact, project)
                for index, item in enumerate(items)
            )
    return facts


def _read_fact(
    place: Place, given: Mapping[str, Any], fact: FactType, project: FieldValue
) -> dict[str, FieldValue | timedelta]:
    own = {name: value for name, value in given.items() if name != "age"}
    fields = dict(_read_fields(place, own, FACTS[fact]))
    if (needed := _NEEDED.get(fact)) and needed not in given:
        place.into(needed).refuse("is missing")
    age = _read_age(place.into("age"), given.get("age"))
    usual = {"project": project, **_FACT_DEFAULTS[fact]}
    if fact == "incident":
        usual["down"] = fields.get("kind") == "down"
    return {"age": age, **usual, **fields}


def _read_fields(
    place: Place, given: Mapping[str, Any], vocabulary: Vocabulary
) -> Iterator[tuple[str, FieldValue]]:
    for name, value in given.items():
        here, kind = place.into(name), vocabulary.kind_of(name)
        if kind is None:
            here.refuse(vocabulary.unknown(name))
        else:
            yield name, _read_value(here, value, kind, vocabulary.choices.get(name, ()))


def _read_value(
    place: Place, value: object, kind: FieldKind, choices: tuple[str, ...]
) -> FieldValue:
    """Return what a field holds; one that is null is missing, a single tag is a list of one."""
    if value is None:
        return None
    if kind == "tags":
        tags = value if isinstance(value, list) else [value]
        read = [read_scalar(place.into(at), tag, Asked("tags")) for at, tag in enumerate(tags)]
        return tuple(str(tag) for tag in read if tag is not None)
    return read_scalar(place, value, Asked(kind, choices))


def _read_age(place: Place, value: object) -> timedelta:
    if value is None:
        return _DEFAULT_AGE
    if not isinstance(value, str):
        place.refuse_type("a duration such as 10m", value)
        return _DEFAULT_AGE
    try:
        age = parse_duration(value)
    except ValueError as error:
        place.refuse(str(error))
        return _DEFAULT_AGE
    if age > _LONGEST_AGE:
        place.refuse(f"must be at most 365d, got {format_duration(age)}")
    return age
