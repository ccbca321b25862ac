"""From the text of a rule file to its rules, and everything that is wrong in it."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field

from config.errors import ConfigError, Fault
from config.escalation import EscalationStep
from config.names import Name
from config.quoting import plain
from config.section import Section
from config.yaml_source import Document, parse_yaml
from rules.language.conditions import read_when
from rules.language.joins import read_joins
from rules.language.outcomes import read_then
from rules.language.place import Place
from rules.language.situations import read_examples
from rules.rule import Rule

_MOST_RULES: Final = 200
_MOST_STEPS: Final = 20
_MOST_DESCRIPTION: Final = 2_000


def _check_description(text: str) -> str:
    if len(text) > _MOST_DESCRIPTION:
        raise ValueError(f"must be at most {_MOST_DESCRIPTION:,} characters, got {len(text):,}")
    return text.strip()


def _check_steps(steps: tuple[EscalationStep, ...]) -> tuple[EscalationStep, ...]:
    if len(steps) > _MOST_STEPS:
        raise ValueError(f"must have at most {_MOST_STEPS} steps, got {len(steps)}")
    return steps


def _read_off(given: object) -> object:
    """Take `off`, which YAML reads as false, for the word it is."""
    return "off" if given is False else given


class _Layout(Section):
    description: str = ""
    rules: list[dict[str, Any]]


class RuleSection(Section):
    """One rule; what the sections below it hold is read by itself."""

    name: Name
    description: Annotated[str, AfterValidator(_check_description)] = ""
    priority: int = Field(default=100, ge=0, le=1_000)
    mode: Annotated[Literal["active", "shadow", "off"], BeforeValidator(_read_off)] = "active"
    when: dict[str, Any]
    any: list[dict[str, Any]] = Field(default_factory=list)
    unless: list[dict[str, Any]] = Field(default_factory=list)
    with_: list[dict[str, Any]] = Field(default_factory=list, validation_alias="with")
    absent: list[dict[str, Any]] = Field(default_factory=list)
    then: dict[str, Any]
    escalate: Annotated[
        tuple[EscalationStep, ...], Field(strict=False), AfterValidator(_check_steps)
    ] = ()
    examples: list[dict[str, Any]]


class NamedRule(NamedTuple):
    """A rule's name and where it is given, whether the rule is right or not."""

    name: str
    file: str
    line: int


class RuleFile(NamedTuple):
    """What became of one file: its rules that are right, all its names, and its faults by line."""

    rules: tuple[Rule, ...]
    names: tuple[NamedRule, ...]
    faults: tuple[Fault, ...]


def read_rule_file(text: str, file: str) -> RuleFile:
    """Return what a text says; `file` is what faults call it. Nothing is raised.

    1. The text is read as YAML, and its layout examined.
    2. Each rule is read by itself, its sections each by its own reader.
    """
    try:
        document = _with_on(parse_yaml(text, file))
    except ConfigError as error:
        return RuleFile((), (), error.faults)
    root = Place(document, (), [])
    root.read(_Layout, document.value)
    given = document.value.get("rules")
    if isinstance(given, list) and len(given) > _MOST_RULES:
        root.into("rules").refuse(f"must be at most {_MOST_RULES} in a file, got {len(given)}")
    items = list(root.items("rules", document.value))
    rules = [_read_rule(place, rule) for place, rule in items]
    faults = sorted({*document.faults, *root.faults}, key=lambda fault: (fault.line, str(fault)))
    right = tuple(rule for rule in rules if rule is not None)
    return RuleFile(right, tuple(_names(items)), tuple(faults))


def taken_names(names: Sequence[NamedRule]) -> list[Fault]:
    """Return a fault for each name that another rule has before."""
    first: dict[str, NamedRule] = {}
    faults = []
    for named in names:
        other = first.setdefault(named.name, named)
        if other is not named:
            same_file = other.file == named.file
            place = f"line {other.line}" if same_file else f"{other.file}:{other.line}"
            field = f"rules.{plain(named.name)}.name"
            faults.append(Fault(named.file, named.line, field, f"is taken by the rule in {place}"))
    return faults


def _names(items: Sequence[tuple[Place, dict[str, object]]]) -> Iterator[NamedRule]:
    for place, rule in items:
        if isinstance(name := rule.get("name"), str):
            line = place.document.line((*place.at, "name"))
            yield NamedRule(name, place.document.file, line)


def _read_rule(place: Place, given: dict[str, Any]) -> Rule | None:
    section = place.read(RuleSection, given)
    when = read_when(place, given)
    joins = read_joins(place, given)
    then = read_then(place, given)
    examples = read_examples(place, given)
    if section is None or when is None or then is None:
        return None
    return Rule(
        name=section.name,
        file=place.document.file,
        line=place.document.line(place.at),
        description=section.description,
        priority=section.priority,
        mode=section.mode,
        when=when,
        joins=joins,
        then=then,
        escalate=section.escalate,
        examples=examples,
    )


def _with_on(document: Document) -> Document:
    """Return the document without the fault that `on`, under `then`, is a switch to YAML 1.1."""
    faults = tuple(
        fault
        for fault in document.faults
        if not (fault.field.endswith(".then.on") and fault.problem.startswith("must be a text as"))
    )
    return Document(document.file, document.value, document.lines, document.written, faults)
