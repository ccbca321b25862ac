"""Which answers to an action's request mean that it was done."""

import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, field_validator

from config.action_parameters import Scalar
from config.names import Word
from config.quoting import kind_of
from config.section import Section

_STATUS: Final = re.compile(r"[2-5](xx|[0-9][0-9])")


def _check_status(text: str) -> str:
    if not _STATUS.fullmatch(text):
        raise ValueError("must be a status such as 204, or 2xx for all of its kind")
    return text


def _check_some(listed: tuple[str, ...]) -> tuple[str, ...]:
    if not listed:
        raise ValueError("must have at least one status")
    return listed


def _check_expected(value: Any) -> Any:
    if value is not None and not isinstance(value, Scalar):
        raise ValueError(f"must be text, a number, true, false or null, got {kind_of(value)}")
    return value


class Success(Section, populate_by_name=True):
    """A status of the list, and where `json` names fields of the answer, their values too.

    A field's path is dotted, with numbers for the items of lists. Null: it is null or not there.
    """

    status: Annotated[
        tuple[Annotated[str, AfterValidator(_check_status)], ...],
        Field(strict=False),
        AfterValidator(_check_some),
    ] = ("2xx",)
    json_: dict[Word, Annotated[Any, AfterValidator(_check_expected)]] = Field(
        default_factory=dict, validation_alias="json", serialization_alias="json"
    )

    @field_validator("status", mode="before")
    @classmethod
    def _read_numbers_as_text(cls, given: Any) -> Any:
        """Take `204` for the text, and one status for a list of it."""
        listed = [given] if isinstance(given, str | int) and not isinstance(given, bool) else given
        if not isinstance(listed, list | tuple):
            return listed
        return [str(one) if type(one) is int else one for one in listed]

    def takes(self, status: int) -> bool:
        """Tell whether a status is one of success."""
        return f"{status}" in self.status or f"{status // 100}xx" in self.status
