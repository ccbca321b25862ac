"""Keep secrets out of what is said about a delivery that failed."""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote

from actions.notification.plain_text import one_line

_ADDRESS: Final = re.compile(r"[A-Za-z0-9+.-]{2,30}://\S+")
_PARTS: Final = re.compile(r"[/:@?&=,;#\s]+")
_SHORTEST: Final = 4
_MOST: Final = 300


def mask(text: str, addresses: Iterable[str]) -> str:
    """Return the text on one line without addresses and without any part of those given.

    Every piece of an address of four characters and more counts as a secret, but its service.
    """
    masked = text
    for part in sorted(_secret_parts(addresses), key=len, reverse=True):
        masked = masked.replace(part, "***")
    return one_line(_ADDRESS.sub("***", masked), _MOST)


def _secret_parts(addresses: Iterable[str]) -> set[str]:
    parts: set[str] = set()
    for address in addresses:
        _, _, rest = address.partition("://")
        pieces = _PARTS.split(rest)
        parts |= {address, rest, *pieces, *map(unquote, pieces)}
    return {part for part in parts if len(part) >= _SHORTEST}
