"""How a value is shown to the person who wrote it."""

from typing import Final

SECRET_FIELDS: Final = frozenset(
    {"headers", "actions", "OPSLORE_DATABASE_URL", "OPSLORE_APPROVAL_KEY"}
)
"""What is written anywhere under these is never repeated in a message."""

_MOST_SHOWN: Final = 60


def is_secret(steps: tuple[str | int, ...]) -> bool:
    """Tell whether what is written at this place may be a secret."""
    return not SECRET_FIELDS.isdisjoint(steps)


def shown(value: object) -> str:
    """Return a value as a few words on one line: its text when short, else its kind."""
    match value:
        case str():
            return quoted(value)
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"{value}"
        case _:
            return kind_of(value)


def kind_of(value: object) -> str:
    """Return what sort of value it is, without showing it."""
    match value:
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case _:
            return "nothing" if value is None else f"a {type(value).__name__}"


def quoted(text: str) -> str:
    """Return a text in double quotes, as `plain` shows it."""
    return f'"{plain(text)}"'


def plain(text: str) -> str:
    """Return a text cut, and without line breaks or other control characters."""
    cut = text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in cut)
