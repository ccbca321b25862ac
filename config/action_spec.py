"""What may be done to a project: a request, a command or a notice, and how risky it is."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

from config import secret_values
from config.action_parameters import Line, ParameterName, ParameterSpec, Scalar
from config.action_templates import Steps, check, placeholders, texts
from config.action_urls import check_url
from config.argv import check_argv, check_cwd, check_environment
from config.durations import Duration, limits
from config.escalation import Severity
from config.names import Name, Word
from config.quoting import kind_of, quoted
from config.request_headers import HeaderName, Headers
from config.response_checks import Success
from config.section import Section
from config.sentences import suggestion

__all__ = [
    "VERBS",
    "ActionSpec",
    "CommandAction",
    "Driver",
    "HttpAction",
    "NotifyAction",
    "ParameterSpec",
    "Risk",
    "Scalar",
    "Verb",
    "parameters_of",
    "risk_of",
]

Risk = Literal["reversible", "disruptive", "destructive"]
Driver = Literal["http", "command", "notify"]

_ANY_SEQUENCE: Final = Field(strict=False)
_MOST_MESSAGE: Final = 2_000


def _check_json(value: Any) -> Any:
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise ValueError("must be made of texts, numbers, lists and mappings") from None
    if "\\u0000" in text:
        raise ValueError("must not hold a NUL character")
    for _, template in texts(value):
        check(template)
    return value


def _check_exit_codes(codes: tuple[int, ...]) -> tuple[int, ...]:
    if not codes:
        raise ValueError("must have at least one exit code")
    return codes


def _check_message(text: str) -> str:
    if not text.strip() or len(text) > _MOST_MESSAGE or "\0" in text:
        raise ValueError(f"must be 1 to {_MOST_MESSAGE:,} characters")
    return text


def _without_removed(given: Any) -> Any:
    """Leave out the entries that are null: they remove what the defaults give."""
    if not isinstance(given, Mapping):
        return given
    return {name: entry for name, entry in given.items() if entry is not None}


class _Action(Section):
    """What every action says of itself. Without a risk, that of its verb holds."""

    risk: Risk | None = None
    description: Line | None = None
    parameters: dict[ParameterName, ParameterSpec] = Field(default_factory=dict)
    timeout: Annotated[Duration, limits("1s", "10m")] = timedelta(seconds=30)
    undo: Word | None = None

    _leave_out_parameters = field_validator("parameters", mode="before")(_without_removed)

    def templates(self) -> Iterator[tuple[Steps, str]]:
        """Yield each text with placeholders, and where it stands below the action."""
        yield from ()

    @property
    def secrets(self) -> tuple[str, ...]:
        """The variables without which it cannot be carried out, each once."""
        names = (name for _, one in self.secret_templates() for name in secret_values.names(one))
        return tuple(dict.fromkeys(names))

    def secret_templates(self) -> Iterator[tuple[Steps, str]]:
        """Yield each text in which secrets are filled in, and where it stands."""
        yield from self.templates()


class HttpAction(_Action):
    """One HTTP request. Redirects are never followed."""

    driver: Literal["http"]
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    url: Annotated[str, AfterValidator(check_url)]
    headers: Headers = Field(default_factory=dict)
    body: Annotated[Any, AfterValidator(_check_json)] = None
    form: dict[Word, Annotated[str, AfterValidator(check)]] = Field(default_factory=dict)
    success: Success = Success()
    idempotency_header: HeaderName | None = "Idempotency-Key"
    verify_tls: bool = True
    ca_file: Word | None = None
    max_response_bytes: int = Field(default=65_536, ge=1_000, le=1_000_000)

    _leave_out_removed = field_validator("headers", "form", mode="before")(_without_removed)

    @model_validator(mode="after")
    def _have_one_body(self) -> Self:
        if self.body is not None and self.form:
            raise ValueError("must have either body or form, got both")
        return self

    def templates(self) -> Iterator[tuple[Steps, str]]:
        parts = {"url": self.url, "headers": self.headers, "body": self.body, "form": self.form}
        yield from texts(parts)


class CommandAction(_Action):
    """One program with its arguments. It is never given to a shell."""

    driver: Literal["command"]
    argv: Annotated[tuple[str, ...], _ANY_SEQUENCE, AfterValidator(check_argv)]
    cwd: Annotated[str, AfterValidator(check_cwd)] | None = None
    environment: Annotated[dict[str, str], AfterValidator(check_environment)] = Field(
        default_factory=dict
    )
    success_exit_codes: Annotated[
        tuple[Annotated[int, Field(ge=0, le=255)], ...],
        _ANY_SEQUENCE,
        AfterValidator(_check_exit_codes),
    ] = (0,)
    max_output_bytes: int = Field(default=65_536, ge=1_000, le=1_000_000)

    _leave_out_removed = field_validator("environment", mode="before")(_without_removed)

    def templates(self) -> Iterator[tuple[Steps, str]]:
        yield from texts({"argv": self.argv, "environment": self.environment})

    def secret_templates(self) -> Iterator[tuple[Steps, str]]:
        """Leave out the arguments: they hold no secret, and a dollar sign is one."""
        yield from texts({"environment": self.environment})


class NotifyAction(_Action):
    """One notice to a contact of the hub file."""

    driver: Literal["notify"]
    contact: Name
    message: Annotated[str, AfterValidator(_check_message)]
    severity: Severity = "warning"

    def templates(self) -> Iterator[tuple[Steps, str]]:
        yield from texts({"message": self.message})


def _check_driver(given: Any) -> Any:
    """Refuse what no driver carries out, before the fields of one are looked for."""
    drivers = get_args(Driver)
    if not isinstance(given, Mapping) or given.get("driver") in drivers:
        return given
    driver = given.get("driver")
    choices = f"a driver, one of {', '.join(drivers)}"
    if driver is None:
        raise ValueError(f"must have {choices}")
    if not isinstance(driver, str):
        raise ValueError(f"must have {choices}, got {kind_of(driver)}")
    raise ValueError(f"must have {choices}, got {quoted(driver)}{suggestion(driver, drivers)}")


def _tag_of(given: Any) -> str:
    driver = given.get("driver") if isinstance(given, Mapping) else getattr(given, "driver", "http")
    return f"<{driver}>"


ActionSpec = Annotated[
    Annotated[HttpAction, Tag("<http>")]
    | Annotated[CommandAction, Tag("<command>")]
    | Annotated[NotifyAction, Tag("<notify>")],
    Discriminator(_tag_of),
    BeforeValidator(_check_driver),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """An action whose name has a meaning: what holds where the project does not say otherwise."""

    risk: Risk
    undo: str | None = None
    parameters: Mapping[str, ParameterSpec] = field(default_factory=dict)


VERBS: Final[Mapping[str, Verb]] = MappingProxyType(
    {
        "restart": Verb(risk="disruptive"),
        "pause": Verb(risk="reversible", undo="resume"),
        "resume": Verb(risk="reversible", undo="pause"),
        "clear_cache": Verb(risk="reversible"),
        "rollback": Verb(risk="disruptive"),
        "deploy": Verb(risk="disruptive", parameters={"version": ParameterSpec(type="text")}),
        "scale": Verb(
            risk="reversible",
            parameters={"instances": ParameterSpec(type="integer", minimum=0, maximum=1000)},
        ),
        "notify": Verb(risk="reversible"),
    }
)


def risk_of(name: str, spec: ActionSpec) -> Risk:
    """Return how risky an action is; one that nobody knows and that does not say: destructive."""
    if spec.risk is not None:
        return spec.risk
    verb = VERBS.get(name)
    return verb.risk if verb else "destructive"


def parameters_of(name: str, spec: ActionSpec) -> Mapping[str, ParameterSpec]:
    """Return what the action may be given: what it declares, and what of its verb it uses."""
    verb = VERBS.get(name)
    standard = verb.parameters if verb else {}
    return {**{key: one for key, one in standard.items() if key in _used(spec)}, **spec.parameters}


def _used(spec: ActionSpec) -> set[str]:
    return {name for _, template in spec.templates() for name in placeholders(template)}
