"""From what is written under `with` and `absent` to joins with the facts beside the signal."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field

from config.durations import Duration, limits
from config.quoting import quoted
from config.section import Section
from config.sentences import suggestion
from rules.facts import FactType
from rules.language.conditions import read_condition
from rules.language.place import Place
from rules.language.vocabulary import FACT_TYPES, FACTS, SIGNAL, Vocabulary
from rules.rule import Join

_MOST_JOINS: Final = 5


def _check_fact(text: FactType) -> FactType:
    if text not in FACT_TYPES:
        choices = ", ".join(FACT_TYPES)
        hint = suggestion(text, FACT_TYPES)
        raise ValueError(f"must be one of {choices}, got {quoted(text)}{hint}")
    return text


class _JoinSection(Section):
    fact: Annotated[str, AfterValidator(_check_fact)]
    same: list[str] = Field(default_factory=list)
    differs: list[str] = Field(default_factory=list)
    when: dict[str, Any] = Field(default_factory=dict)
    within: Annotated[Duration, limits("1s", "30d")]
    min: int = Field(default=1, ge=1, le=50)


def read_joins(place: Place, rule: Mapping[str, Any]) -> tuple[Join, ...]:
    """Return what must be beside the signal, and what must not; faults are put down."""
    joins = tuple(_read_joins(place, rule))
    if len(joins) > _MOST_JOINS:
        key = "with" if rule.get("with") else "absent"
        place.into(key).refuse(
            f"must be at most {_MOST_JOINS}, those under absent included, got {len(joins)}"
        )
    return joins


def _read_joins(place: Place, rule: Mapping[str, Any]) -> Iterator[Join]:
    for key in ("with", "absent"):
        for here, given in place.items(key, rule):
            section = here.read(_JoinSection, given)
            fact = given.get("fact")
            if fact not in FACT_TYPES:
                continue
            fields = FACTS[fact]
            for name in ("same", "differs"):
                _check_names(here.into(name), given.get(name), fields)
            condition = given.get("when")
            tests = read_condition(
                here.into("when"), condition if isinstance(condition, dict) else {}, fields
            )
            if section is not None:
                yield Join(
                    fact=fact,
                    same=tuple(dict.fromkeys(section.same)),
                    differs=tuple(dict.fromkeys(section.differs)),
                    when=tests,
                    within=section.within,
                    min=section.min,
                    absent=key == "absent",
                )


def _check_names(place: Place, given: object, fields: Vocabulary) -> None:
    """Refuse names that the fact and the signal do not both have, with the same kind of value."""
    names = enumerate(given) if isinstance(given, list) else ()
    for index, name in ((index, name) for index, name in names if isinstance(name, str)):
        here, kind = place.into(index), fields.kind_of(name)
        if kind is None:
            here.refuse(f"{quoted(name)} {fields.unknown(name)}")
        elif SIGNAL.kind_of(name) != kind:
            here.refuse(f"{quoted(name)} is not a field of the incident: it must be one of both")
        elif kind == "tags":
            here.refuse(f"must not be {name}: only single values can be the same or differ")
