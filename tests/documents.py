"""Read the tables of the documents, to hold them to the code."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_HEADING = re.compile(r"(#+) (.*)")


def rows(document: str) -> dict[str, list[str]]:
    """Return the cells of every table row by its first cell, without that one's backticks.

    Raises:
        AssertionError: a first cell is there twice.
    """
    found: dict[str, list[str]] = {}
    for cells in _cells((ROOT / document).read_text()):
        name = cells[0].strip("`")
        assert name not in found, f"{name} is twice in {document}"
        found[name] = cells[1:]
    return found


def keys_by_heading(document: str) -> dict[str, set[str]]:
    """Return the first cells of the tables under each heading; `a / b` is heading b below a."""
    found: dict[str, set[str]] = {}
    for part in re.split(r"(?m)^(?=## )", (ROOT / document).read_text())[1:]:
        section, *subsections = re.split(r"(?m)^### ", part)
        heading = section.splitlines()[0].removeprefix("## ")
        found[heading] = {cells[0].strip("`") for cells in _cells(section)}
        for subsection in subsections:
            name = f"{heading} / {subsection.splitlines()[0]}"
            found[name] = {cells[0].strip("`") for cells in _cells(subsection)}
    return found


def _cells(text: str) -> Iterator[list[str]]:
    """Yield the rows whose first cell is code: headings and rulers are none."""
    for line in text.splitlines():
        if line.startswith("| `"):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
