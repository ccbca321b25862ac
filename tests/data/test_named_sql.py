"""Every query in a file is one that Postgres accepts and somebody runs."""

import re
from pathlib import Path

import pytest

from data.database import Database
from data.named_sql import FOLDER, all_queries

_ALL = [
    (noun, name, text) for noun, queries in all_queries().items() for name, text in queries.items()
]
_NAMED = re.compile(r"%\((\w+)\)s")


def _numbered(text: str) -> str:
    """Turn %(name)s into $n, as PREPARE wants it."""
    names: list[str] = []

    def number(match: re.Match[str]) -> str:
        if match[1] not in names:
            names.append(match[1])
        return f"${names.index(match[1]) + 1}"

    return _NAMED.sub(number, text).replace("%%", "%")


async def test_postgres_accepts_every_query(database: Database) -> None:
    async with database.connection() as connection:
        for noun, name, text in _ALL:
            if not text.startswith(("COPY", "CREATE")):  # these cannot be prepared
                statement = f"PREPARE {noun}_{name} AS {_numbered(text)}"
                await connection.execute(statement)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.sql")), ids=lambda path: path.stem)
def test_every_query_is_headed_by_its_name_and_one_line(path: Path) -> None:
    for block in path.read_text().split("\n\n-- "):
        head, description, first = block.removeprefix("-- ").split("\n")[:3]
        assert re.fullmatch(r"[a-z][a-z0-9_]* --", head)
        assert description.startswith("-- ")
        assert description.endswith((".", ";"))
        assert not first.startswith("--")


def test_every_query_is_run_by_some_module() -> None:
    sources = "".join(path.read_text() for path in FOLDER.parent.rglob("*.py"))
    unused = [name for _, name, _ in _ALL if f'"{name}"' not in sources]
    assert [name for name in unused if not name.startswith("day_of_")] == []
