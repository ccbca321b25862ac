"""From what is written under `then` to what a rule does."""

import math
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from config.action_parameters import ParameterName
from config.action_spec import VERBS
from config.durations import Duration, limits
from config.healing import RetrySettings
from config.names import Word
from config.quoting import quoted, shown
from config.section import Section
from rules.language.place import Place
from rules.language.terms import MOST_NUMBER
from rules.rule import Release, Then

_MOST_CHARACTERS: Final = 1_000
_MOST_PARAMETERS: Final = 20
_ALIKE: Final = 0.8
_STEPS: Final = ("action", "suppress", "escalate")


def _check_action(name: str) -> str:
    """Refuse what is nearly a known action: a project may declare others under names of its own."""
    near = get_close_matches(name, VERBS, n=1, cutoff=_ALIKE)
    if name in VERBS or not near:
        return name
    raise ValueError(f"is not a known action, got {quoted(name)}: did you mean {near[0]}?")


def _check_parameter(value: Any) -> Any:
    if isinstance(value, str) and len(value) <= _MOST_CHARACTERS:
        return value
    if isinstance(value, str):
        raise ValueError(f"must be at most {_MOST_CHARACTERS:,} characters, got {len(value):,}")
    if isinstance(value, bool | int | float) and math.isfinite(value) and abs(value) < MOST_NUMBER:
        return value
    raise ValueError(f"must be text, a number, true or false, got {shown(value)}")


def _check_parameters(parameters: dict[str, Any]) -> dict[str, Any]:
    if len(parameters) > _MOST_PARAMETERS:
        raise ValueError(f"must be at most {_MOST_PARAMETERS}, got {len(parameters)}")
    return parameters


def _check_reason(text: str) -> str:
    if not text.strip() or len(text) > _MOST_CHARACTERS:
        raise ValueError(f"must be a reason of 1 to {_MOST_CHARACTERS:,} characters")
    return text.strip()


_Action = Annotated[Word, AfterValidator(_check_action)]
_Reason = Annotated[str, AfterValidator(_check_reason)]
_Parameters = Annotated[
    dict[ParameterName, Annotated[Any, AfterValidator(_check_parameter)]],
    AfterValidator(_check_parameters),
]


class VerifySection(Section):
    """How long the project has to be well again after an action."""

    within: Annotated[Duration, limits("1s", "1d")]


class ReleaseSection(Section):
    """The action that ends the first one, after the project was calm for so long."""

    action: _Action
    after: Annotated[Duration, limits("0s", "1d")]


class ThenSection(Section):
    """Either an action and how to go about it, or a reason to suppress or to escalate."""

    action: _Action | None = None
    parameters: _Parameters = Field(default_factory=dict)
    on: Literal["project", "dependency"] = "project"
    approval: Literal["required", "not_required", "by_risk"] = "by_risk"
    retry: RetrySettings | None = None
    verify: VerifySection | None = None
    undo: bool = True
    release: ReleaseSection | None = None
    cooldown: Annotated[Duration, limits("0s", "7d")] | None = None
    suppress: _Reason | None = None
    escalate: _Reason | None = None

    @model_validator(mode="after")
    def _do_one_thing(self) -> Self:
        steps = [name for name in _STEPS if getattr(self, name) is not None]
        if len(steps) != 1:
            got = " and ".join(steps) or "none of them"
            raise ValueError(f"must have one of {', '.join(_STEPS)}, got {got}")
        beside = sorted(self.model_fields_set - set(steps) - _given_nothing(self))
        if beside and steps != ["action"]:
            raise ValueError(f"must have nothing beside {steps[0]}, got {', '.join(beside)}")
        return self


def _given_nothing(section: Section) -> set[str]:
    return {name for name in section.model_fields_set if getattr(section, name) is None}


def read_then(place: Place, rule: Mapping[str, Any]) -> Then | None:
    """Return what a rule does, or None after its faults were put down."""
    given = rule.get("then")
    section = place.into("then").read(ThenSection, given) if isinstance(given, dict) else None
    if section is None:
        return None
    if section.suppress is not None:
        return Then(step="suppress", reason=section.suppress)
    if section.escalate is not None:
        return Then(step="escalate", reason=section.escalate)
    release = section.release
    return Then(
        step="act",
        action=section.action,
        parameters=section.parameters,
        on=section.on,
        approval=section.approval,
        retry=section.retry,
        verify_within=section.verify.within if section.verify else None,
        undo=section.undo,
        release=Release(action=release.action, after=release.after) if release else None,
        cooldown=section.cooldown,
    )
