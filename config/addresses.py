"""Where a project answers: its URL and its paths."""

import re
from typing import Annotated, Final
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator

from config.quoting import quoted

_USER_INFO: Final = re.compile(r"([a-z]+:)?(//)?[^/?#]*@", re.IGNORECASE)
_MOST_CHARACTERS: Final = 2_000


def read_url(text: str) -> str:
    """Return an http(s) URL with its scheme and host in lower case and no slash at its end.

    Raises:
        ValueError: what else is wrong with it; the message repeats no password and no query.
    """
    _check_characters(text)
    if _USER_INFO.match(text):
        raise ValueError("must not hold a user or password: write it under headers, as ${NAME}")
    for mark, what in (("?", "query"), ("#", "fragment")):
        if mark in text:
            raise ValueError(f"must not have a {what}, which is what follows the {mark}")
    parts = _split(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(
            f"must be http:// or https:// and a host, as in http://127.0.0.1:8000,"
            f" got {quoted(text)}"
        )
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path}".rstrip("/")


def read_path(text: str) -> str:
    """Return the path, which begins with a slash and may have a query.

    Raises:
        ValueError: it does not, or it has a fragment or characters that no request can carry.
    """
    _check_characters(text)
    if not text.startswith("/"):
        raise ValueError(f"must begin with /, as in /health, got {quoted(text)}")
    if "#" in text:
        raise ValueError("must not have a fragment, which is what follows the #")
    return text


def _check_characters(text: str) -> None:
    if not text:
        raise ValueError("must not be empty")
    if len(text) > _MOST_CHARACTERS:
        raise ValueError(f"must be at most {_MOST_CHARACTERS:,} characters, got {len(text):,}")
    for char in text:
        if not "!" <= char <= "~" or char in '\\"<>^`{|}':
            raise ValueError(f"must be percent-encoded: {char!a} cannot stand in an address")


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(f"must have a valid host and port, got {quoted(text)}") from None
    if port == 0 or parts.netloc.endswith(":"):
        raise ValueError(f"must have a port from 1 to 65535 after the colon, got {quoted(text)}")
    return parts


Url = Annotated[str, AfterValidator(read_url)]
RequestPath = Annotated[str, AfterValidator(read_path)]
