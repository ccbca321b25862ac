"""Text from outside, made such that it cannot pass for a part of a message."""

from typing import Final

MOST_SUBJECT: Final = 120
_MOST_LINES: Final = 30
_MOST_LINE: Final = 300


def one_line(text: str, limit: int = _MOST_LINE) -> str:
    """Return a text on one line of at most `limit` characters, and nothing but what prints.

    Line breaks, other control characters and marks that change the direction of reading become
    spaces, runs of which become one.
    """
    visible = "".join(char if char.isprintable() else " " for char in text[: 4 * limit])
    line = " ".join(visible.split())
    return line if len(line) <= limit and len(text) <= 4 * limit else line[: limit - 1] + "…"


def lines(text: str) -> list[str]:
    """Return the lines of a text, at most 30, each as `one_line` makes it, its indent kept.

    A tab counts as two spaces; deeper than eight nothing is indented.
    """
    raw = [line for line in text.split("\n", _MOST_LINES + 1)[: _MOST_LINES + 1] if line.strip()]
    kept = [_indent(line) + one_line(line) for line in raw[:_MOST_LINES]]
    return [*kept, "…"] if len(raw) > _MOST_LINES else kept


def _indent(line: str) -> str:
    margin = line[: len(line) - len(line.lstrip(" \t"))].replace("\t", "  ")
    return margin[:8]
