"""The headers that a user adds to every request to a project."""

import re
from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import AfterValidator

from config import secret_values
from config.quoting import quoted

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_FRAMING: Final = frozenset({"connection", "content-length", "transfer-encoding", "upgrade", "te"})
_MOST_CHARACTERS: Final = 8_000


def _check_name(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"must be a header's name, of letters, digits and dashes: {quoted(name)}")
    if name.lower() in _FRAMING:
        raise ValueError("must not be set: the hub's connection needs it")
    return name


def _check_value(template: str) -> str:
    secret_values.names(template)
    text = secret_values.literal_text(template)
    if not template or not template.isprintable() or not text.isascii():
        raise ValueError("must be printable ASCII on one line")
    if len(template) > _MOST_CHARACTERS:
        raise ValueError(f"must be at most {_MOST_CHARACTERS:,} characters")
    return template


def _check_case(headers: Mapping[str, str]) -> Mapping[str, str]:
    seen: dict[str, str] = {}
    for name in headers:
        other = seen.setdefault(name.lower(), name)
        if other != name:
            raise ValueError(f"must name a header once: {other} and {name} are the same")
    return headers


HeaderName = Annotated[str, AfterValidator(_check_name)]
Headers = Annotated[
    dict[HeaderName, Annotated[str, AfterValidator(_check_value)]],
    AfterValidator(_check_case),
]
"""Values are templates as in `config.secret_values`; they are checked and kept unresolved."""
