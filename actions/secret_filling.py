"""Secrets filled into a request or command at the last moment, and kept out of what is told."""

import base64
import json
import os
import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote, quote_plus

from config import secret_values
from config.errors import OpsloreError

MASK: Final = "***"
_SHORTEST: Final = 3
"""What is shorter is no secret, and masked it would make every number unreadable."""
SENSITIVE: Final = re.compile(
    r"auth|cookie|credential|passw|secret|signature|token|api[-_]?key|access[-_]?key|^key$|^sig$",
    re.IGNORECASE,
)
"""A name that says that its value is nobody's business."""


class SecretUnreadable(OpsloreError):
    """The file of a secret cannot be read."""


class Secrets:
    """The secrets of one call: what was filled in is known, so that it can be masked."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._values: set[str] = set()

    def fill(self, written: str) -> str:
        """Return what `${NAME}` or `$$` stands for.

        Raises:
            SecretMissing: it is not set.
            SecretUnreadable: its file cannot be read.
        """
        try:
            value = secret_values.resolve(written, self._environ)
        except OSError as error:
            raise SecretUnreadable(f"{_name_in(written)}_FILE: {error.strerror}") from None
        if written != "$$" and value != secret_values.literal_text(written):
            self.hide(value)
        return value

    def hide(self, *values: str) -> None:
        """Treat these values as secrets too."""
        self._values |= {value for value in values if len(value) >= _SHORTEST}

    @property
    def longest(self) -> int:
        """How many bytes the longest secret has in any of its spellings."""
        return max((len(one.encode()) for one in self._spellings()), default=0)

    def mask(self, text: str) -> str:
        """Return the text without the secrets, also where they are encoded."""
        for spelling in sorted(self._spellings(), key=len, reverse=True):
            text = text.replace(spelling, MASK)
        return text

    def _spellings(self) -> set[str]:
        return {one for value in self._values for one in _spellings(value) if one}


class Unresolved(Secrets):
    """Secrets as one may show them: by their names."""

    def fill(self, written: str) -> str:
        if written == "$$":
            return "$"
        return f"${{{_name_in(written)}}}"


def _name_in(written: str) -> str:
    return written.strip("${}").partition(":-")[0]


def _spellings(value: str) -> Iterable[str]:
    yield value
    yield from (line for line in value.splitlines() if len(line) >= _SHORTEST)
    yield quote(value, safe="")
    yield quote_plus(value)
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield base64.b64encode(value.encode()).decode()
