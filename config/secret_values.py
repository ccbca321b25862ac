"""Templates with secrets in them: `Bearer ${TOKEN}`, resolved at the last moment only.

`${NAME}` is the environment variable NAME, or else what is in the file that NAME_FILE names;
`${NAME:-text}` is the text where neither is set; `$$` is a dollar sign. No value is ever logged
or part of an error.
"""

import errno
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from config.errors import OpsloreError

_MOST_BYTES: Final = 65_536
_DOLLAR: Final = re.compile(
    r"\$(?:(?P<dollar>\$)|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\})?"
)


class SecretMissing(OpsloreError):
    """A secret is not set."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"neither {name} nor {name}_FILE is set")


def resolve(template: str, environ: Mapping[str, str]) -> str:
    """Return the template with its variables filled in; what is filled in is not read again.

    An empty variable or file counts as not set. The newlines at the end of a secret's file are
    not part of the secret.

    Raises:
        SecretMissing: a variable is not set and has no default.
        OSError: the file of a secret cannot be read, is over 64 kB or is not UTF-8.
        ValueError: the template is malformed.
    """
    _check(template)

    def value(found: re.Match[str]) -> str:
        return "$" if found["dollar"] else _look_up(found["name"], found["default"], environ)

    return _DOLLAR.sub(value, template)


def names(template: str) -> tuple[str, ...]:
    """Return the variables without which the template cannot be resolved, each once.

    Those with a default are not among them.

    Raises:
        ValueError: the template is malformed; the message says what to write.
    """
    _check(template)
    needed = (found["name"] for found in _variables(template) if found["default"] is None)
    return tuple(dict.fromkeys(needed))


def literal_text(template: str) -> str:
    """Return what the template itself contributes: its defaults, and all outside of `${…}`."""
    return _DOLLAR.sub(lambda found: found["default"] or found["dollar"] or "", template)


def _variables(template: str) -> Iterator[re.Match[str]]:
    return (found for found in _DOLLAR.finditer(template) if found["name"])


def _check(template: str) -> None:
    for found in _DOLLAR.finditer(template):
        if found[0] == "$":
            column = found.start() + 1
            raise ValueError(
                f"must have ${{NAME}}, ${{NAME:-default}} or $$ for a dollar sign;"
                f" the $ at character {column} begins none of them"
            )


def _look_up(name: str, default: str | None, environ: Mapping[str, str]) -> str:
    if value := environ.get(name):
        return value
    path = environ.get(f"{name}_FILE")
    if path and (value := _read_secret(Path(path))):
        return value
    if default is None:
        raise SecretMissing(name)
    return default


def _read_secret(path: Path) -> str:
    with path.open("rb") as file:
        raw = file.read(_MOST_BYTES + 1)
    if len(raw) > _MOST_BYTES:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    try:
        return raw.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise OSError(errno.EILSEQ, "it is not UTF-8", str(path)) from None
