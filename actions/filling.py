"""The templates of an action filled in: for an address, a header, JSON, or an argument."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from actions.call import Call
from actions.parameters import check
from actions.secret_filling import Secrets
from config.action_spec import Scalar
from config.action_templates import fill, only_placeholder, placeholders
from config.errors import OpsloreError


class CannotFill(OpsloreError):
    """What is filled in does not fit where it stands."""


LEFT_OUT: Final = object()
"""Stands for the value of a parameter that may be left out, and was."""


class Filling:
    """What the placeholders of one call stand for.

    Raises:
        ParameterError: the call's parameters are not what its action takes.
    """

    def __init__(self, call: Call, secrets: Secrets, *, now: datetime | None = None) -> None:
        self.secrets = secrets
        self._values: Mapping[str, Scalar] = {
            **check(call.action, call.spec, call.parameters),
            "project": call.project,
            "action": call.action,
            "attempt_id": str(call.attempt_id),
            "now": (now or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "actor": call.actor,
            "reason": call.reason,
        }

    def text(self, template: str) -> str:
        """Return a text; a parameter that was left out is empty."""
        return fill(template, self._text_of, self.secrets.fill)

    def url(self, template: str) -> str:
        """Return an address, its parameters percent-encoded; `check_filled` is yet to be asked.

        Raises:
            CannotFill: a parameter is empty, or would lead elsewhere in the path.
        """
        for name in placeholders(template):
            if not self._text_of(name):
                raise CannotFill(f"{name} must not be empty in an address")
        url = fill(template, self._encoded, self.secrets.fill)
        if not {".", ".."}.isdisjoint(url.partition("?")[0].split("/")):
            raise CannotFill("the address must not have a . or .. in its path")
        return url

    def header(self, name: str, template: str) -> str:
        """Return a header's value.

        Raises:
            CannotFill: it is not printable ASCII on one line.
        """
        value = self.text(template)
        if not value.isascii() or not value.isprintable():
            raise CannotFill(f"the header {name} must be printable ASCII on one line")
        return value.strip()

    def json(self, value: Any) -> Any:
        """Return a JSON value; a text that is one placeholder gets the parameter's own type.

        What stands for a parameter that was left out is left out of its mapping or list.
        """
        match value:
            case str():
                return self._json_text(value)
            case dict():
                filled = {key: self.json(inner) for key, inner in value.items()}
                return {key: inner for key, inner in filled.items() if inner is not LEFT_OUT}
            case list() | tuple():
                return [one for one in map(self.json, value) if one is not LEFT_OUT]
            case _:
                return value

    def argument(self, template: str) -> str | None:
        """Return one argument of a command, None where its parameter was left out.

        Raises:
            CannotFill: it would be an option that the template does not begin.
        """
        name = only_placeholder(template)
        if name is not None and name not in self._values:
            return None
        argument = fill(template, self._text_of, lambda written: written)
        if argument.startswith("-") and not template.startswith("-"):
            named = ", ".join(placeholders(template))
            raise CannotFill(f"{named} must not begin with a dash: it would be an option")
        if "\0" in argument:
            raise CannotFill("an argument must not hold a NUL character")
        return argument

    def _json_text(self, template: str) -> Any:
        name = only_placeholder(template)
        return self.text(template) if name is None else self._values.get(name, LEFT_OUT)

    def _encoded(self, name: str) -> str:
        return quote(self._text_of(name), safe="")

    def _text_of(self, name: str) -> str:
        return as_text(self._values.get(name, ""))


def as_text(value: Scalar) -> str:
    """Return a value as people and programs write it: true, 3, 0.5."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
