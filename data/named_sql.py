"""Read files of named queries, so that SQL stays SQL.

A file holds any number of queries, each headed by its name and one line of description:

    -- latest_status --
    -- The newest probe of each project.
    SELECT …

The layout is that of procrastinate's query file.
"""

import re
from pathlib import Path
from typing import LiteralString

FOLDER = Path(__file__).parent / "sql"
_HEAD = re.compile(r"^-- (?P<name>[a-z][a-z0-9_]*) --$", re.MULTILINE)


def read_queries(noun: str) -> dict[str, LiteralString]:
    """Return the queries of `sql/<noun>.sql` by name, without their description line."""
    text = (FOLDER / f"{noun}.sql").read_text(encoding="utf-8")
    heads = list(_HEAD.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    return {
        head["name"]: text[head.end() : end].strip().partition("\n")[2]
        for head, end in zip(heads, ends, strict=True)
    }


def all_queries() -> dict[str, dict[str, LiteralString]]:
    """Return every query file of the folder, by noun."""
    return {path.stem: read_queries(path.stem) for path in sorted(FOLDER.glob("*.sql"))}
