"""Settings from the environment: where things are, and secrets."""

from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from config.errors import ConfigError, Fault
from config.quoting import is_secret
from config.sentences import Found, sentence

ROOT: Final = Path(__file__).resolve().parent.parent
"""The folder of the repository."""

_LEAST_KEY: Final = 32


def _make_absolute(path: Path) -> Path:
    try:
        return path.expanduser().absolute()
    except RuntimeError:
        raise ValueError(f"must not begin with the home of an unknown user, got {path}") from None


def _check_database_url(url: str) -> str:
    if not url.startswith(("postgresql://", "postgres://")):
        raise ValueError("must begin with postgresql://")
    return url


def _check_http_url(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    return url.rstrip("/")


def _check_key(key: str) -> str:
    if len(key) < _LEAST_KEY:
        raise ValueError(f"must be at least {_LEAST_KEY} characters, as of `openssl rand -hex 32`")
    return key


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


_Location = Annotated[Path, AfterValidator(_make_absolute)]


class Settings(BaseSettings):
    """What the environment says; a variable that is empty counts as not set.

    Paths are made absolute from the working directory, `~` is the user's home.

    Raises:
        ConfigError: a variable has a value that cannot be; it names every such variable.
    """

    model_config = SettingsConfigDict(
        case_sensitive=True, env_ignore_empty=True, extra="forbid", frozen=True
    )

    home: _Location = Field(
        default=ROOT / ".opslore",
        validation_alias="OPSLORE_HOME",
        description="The folder for everything the hub keeps: database, history, logs.",
    )
    database_url: Annotated[str, AfterValidator(_check_database_url)] | None = Field(
        default=None,
        validation_alias="OPSLORE_DATABASE_URL",
        repr=False,
        description="A Postgres to use instead of the embedded one, as postgresql://….",
    )
    prefect_api_url: Annotated[str, AfterValidator(_check_http_url)] | None = Field(
        default=None,
        validation_alias="PREFECT_API_URL",
        description="The API of a running Prefect server, to use instead of starting one.",
    )
    projects_file: _Location = Field(
        default=ROOT / "config" / "projects.yaml",
        validation_alias="OPSLORE_PROJECTS",
        description="The file that says which projects are watched.",
    )
    hub_file: _Location = Field(
        default=ROOT / "config" / "hub.yaml",
        validation_alias="OPSLORE_HUB",
        description="The file that says how the hub works.",
    )
    rules_folder: _Location = Field(
        default=ROOT / "rules",
        validation_alias="OPSLORE_RULES",
        description="The folder of the rule files, which are in library/ and learned/ below it.",
    )
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_upper)] = (
        Field(
            default="INFO",
            validation_alias="OPSLORE_LOG_LEVEL",
            description="How much the hub logs: DEBUG, INFO, WARNING or ERROR.",
        )
    )

    approval_key: Annotated[str, AfterValidator(_check_key)] | None = Field(
        default=None,
        validation_alias="OPSLORE_APPROVAL_KEY",
        repr=False,
        description="The secret that signs approval links, the same for hubs on several machines.",
    )

    @property
    def rule_folders(self) -> tuple[Path, ...]:
        """The rules that ship or are written by people, and those that were learned, if any."""
        learned = self.rules_folder / "learned"
        return self.rules_folder / "library", *([learned] if learned.is_dir() else [])

    def __init__(self, **given: Any) -> None:
        try:
            super().__init__(**given)
        except ValidationError as error:
            raise ConfigError(map(_fault, error.errors(include_url=False))) from None


def _fault(details: ErrorDetails) -> Fault:
    variable = str(details["loc"][0])
    found = Found(details, Settings, written=None, secret=is_secret((variable,)))
    return Fault("environment", 0, variable, sentence(found))
