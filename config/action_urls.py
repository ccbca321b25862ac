"""Where an action sends its request: an address with placeholders and secrets in it."""

from typing import Final
from urllib.parse import urlsplit

from config.action_templates import check, fill, placeholders

_MOST_CHARACTERS: Final = 2_000
_FORBIDDEN: Final = frozenset('\\"<>^`|')


def check_url(template: str) -> str:
    """Return the template of an address; no message repeats it.

    Raises:
        ValueError: it can never be an http(s) address, or it lets a parameter choose the host.
    """
    check(template)
    if not template or len(template) > _MOST_CHARACTERS:
        raise ValueError(f"must be 1 to {_MOST_CHARACTERS:,} characters")
    for char in template:
        if not "!" <= char <= "~" or char in _FORBIDDEN:
            raise ValueError(f"must be percent-encoded: {char!a} cannot stand in an address")
    if template.startswith("${"):
        origin, rest = "http://a", template.partition("}")[2]
        _check_rest(rest)
    else:
        origin = _origin(template)
    if set(placeholders(origin)) - {"project"}:
        raise ValueError("must not take its host from a placeholder other than {project}")
    if not {"{", "}"}.isdisjoint(fill(template, lambda _: "", lambda _: "")):
        raise ValueError("must have braces around a parameter's name only, as {version}")
    if "#" in template:
        raise ValueError("must not have a fragment, which is what follows the #")
    return template


def check_filled(url: str) -> str:
    """Return the address that came of a template.

    Raises:
        ValueError: it is no http(s) address, or has a user and password; it is not repeated.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("must have a valid host and port") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be http:// or https:// and a host")
    if "@" in parts.netloc:
        raise ValueError("must not hold a user or password: write it under headers, as ${NAME}")
    if port == 0 or parts.netloc.endswith(":"):
        raise ValueError("must have a port from 1 to 65535 after the colon")
    if not all("!" <= char <= "~" for char in url):
        raise ValueError("must be percent-encoded")
    return url


def _origin(template: str) -> str:
    """Return the scheme and host as written."""
    stand_in = fill(template, lambda _: "a", lambda _: "a")
    if "$" in stand_in or not stand_in.lower().startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://, or with the ${NAME} of an address")
    check_filled(stand_in)
    scheme, _, rest = template.partition("://")
    host = rest
    for mark in "/?#":
        host = host.partition(mark)[0]
    return f"{scheme}://{host}"


def _check_rest(rest: str) -> None:
    if rest and not rest.startswith(("/", "?")):
        raise ValueError("must have / or ? after the ${NAME} of an address")
