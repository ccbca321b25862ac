"""Templates of actions: `{name}` is a parameter, `${NAME}` a secret, both filled in at once.

What is filled in is not read again: a parameter's value that looks like `${TOKEN}` stays as it
is. `{{name}}` is `{name}` itself, `$$` a dollar sign; any other brace stands for itself.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from config import secret_values

Steps = tuple[str | int, ...]

BUILT_IN: Final = ("project", "action", "attempt_id", "now", "actor", "reason")
"""What every template may name besides its action's parameters."""

NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_PART: Final = re.compile(
    r"(?P<secret>\$\$|\$\{[^}]*\})"
    rf"|\{{(?P<literal>\{{{NAME.pattern}\}})\}}"
    rf"|\{{(?P<name>{NAME.pattern})\}}"
)


def placeholders(template: str) -> tuple[str, ...]:
    """Return the names in `{name}`, in order, each once."""
    names = (found["name"] for found in _PART.finditer(template) if found["name"])
    return tuple(dict.fromkeys(names))


def only_placeholder(template: str) -> str | None:
    """Return the name when the template is one `{name}` and nothing else."""
    found = _PART.fullmatch(template)
    return found["name"] if found else None


def fill(template: str, value: Callable[[str], str], secret: Callable[[str], str]) -> str:
    """Return the template with its parts filled in.

    `value` gives the text of a placeholder's name, `secret` that of `${…}` or `$$` as written.
    """

    def part(found: re.Match[str]) -> str:
        if found["secret"]:
            return secret(found["secret"])
        return found["literal"] or value(found["name"])

    return _PART.sub(part, template)


def check(template: str) -> str:
    """Return the template.

    Raises:
        ValueError: a dollar sign begins no secret; the message says what to write.
    """
    secret_values.names(template)
    return template


def texts(value: Any, at: Steps = ()) -> Iterator[tuple[Steps, str]]:
    """Yield every text within a JSON value with the keys and indexes that lead to it."""
    match value:
        case str():
            yield at, value
        case dict():
            for key, inner in value.items():
                yield from texts(inner, (*at, key))
        case list() | tuple():
            for index, inner in enumerate(value):
                yield from texts(inner, (*at, index))
