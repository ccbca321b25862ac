"""The audit chain as a file that can be verified without the database: JSON lines or CSV.

Fields are written as they are hashed, `details` as the text that Postgres prints; only the
instant is in ISO 8601. In CSV, null is `\\N`, and a text that begins with a backslash gets
another one in front.
"""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, Final, Literal
from uuid import UUID

from config.errors import OpsloreError
from data.audit_chain import identity_of
from data.chain_hash import FIELDS, Link
from data.chain_rows import open_chain, read_links
from data.database import Database

Format = Literal["jsonl", "csv"]

COLUMNS: Final = ("database", *FIELDS, "previous_hash", "hash")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_US: Final = timedelta(microseconds=1)
_NULL: Final = "\\N"

csv.field_size_limit(2**31 - 1)


class ExportUnreadable(OpsloreError):
    """The export cannot be read."""


async def write(
    database: Database,
    file: IO[str],
    form: Format,
    *,
    project: str | None = None,
    since: datetime | None = None,
) -> int:
    """Write the chain, or what of it is asked for, oldest first; return how many rows.

    `file` must write line breaks as they are (`newline=""`).

    Raises:
        NoAuditChain: the record has not been migrated.
    """
    rows = 0
    write_row = _writer(file, form)
    async with open_chain(database) as connection:
        identity = str(await identity_of(connection))
        async for links in read_links(connection, project=project, since=since):
            for link in links:
                write_row(_document(identity, link))
            rows += len(links)
    return rows


def read(path: Path) -> Iterator[tuple[UUID, Link]]:
    """Yield the rows of an export in their order, each with the database it is of.

    Raises:
        ExportUnreadable: the file is missing, or a line of it is not a row.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            form: Format = "jsonl" if file.read(1) in {"{", ""} else "csv"
            file.seek(0)
            for line, document in _documents(file, form):
                try:
                    yield _row(document)
                except (ValueError, TypeError, KeyError, AttributeError):
                    raise ExportUnreadable(f"{path}:{line}: it is no row of an export") from None
    except OSError as error:
        raise ExportUnreadable(f"{path}: it cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ExportUnreadable(f"{path}: it is not UTF-8") from None
    except csv.Error as error:
        raise ExportUnreadable(f"{path}: it is no export: {error}") from None


def _writer(file: IO[str], form: Format) -> Callable[[Mapping[str, Any]], object]:
    match form:
        case "jsonl":
            return lambda document: file.write(json.dumps(document) + "\n")
        case "csv":
            table = csv.DictWriter(file, COLUMNS, quoting=csv.QUOTE_ALL, lineterminator="\n")
            table.writeheader()
            return lambda document: table.writerow(
                {key: _to_cell(value) for key, value in document.items()}
            )


def _documents(file: IO[str], form: Format) -> Iterator[tuple[int, Mapping[str, Any]]]:
    match form:
        case "jsonl":
            for number, line in enumerate(file, start=1):
                yield number, _load(line)
        case "csv":
            table = csv.DictReader(file, strict=True)
            if not set(COLUMNS) <= set(table.fieldnames or ()):
                raise csv.Error("its first line does not name the columns of an export")
            for row in table:
                yield table.line_num, {key: _from_cell(cell) for key, cell in row.items()}


def _load(line: str) -> Mapping[str, Any]:
    """Return what a line says, nothing where it says nothing that could be a row."""
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, Mapping) else {}


def _document(identity: str, link: Link) -> dict[str, Any]:
    said: dict[str, Any] = dict(zip(FIELDS, link.fields, strict=True))
    return {
        "database": identity,
        **said,
        "seq": link.seq,
        "recorded_at": _to_iso(str(said["recorded_at"])),
        "incident_id": None if said["incident_id"] is None else int(said["incident_id"]),
        "previous_hash": link.previous_hash.hex(),
        "hash": link.hash.hex(),
    }


def _row(said: Mapping[str, Any]) -> tuple[UUID, Link]:
    texts = {key: None if said[key] is None else str(said[key]) for key in FIELDS}
    texts["recorded_at"] = _from_iso(str(said["recorded_at"]))
    return UUID(said["database"]), Link(
        seq=int(said["seq"]),
        fields=tuple(texts[key] for key in FIELDS),
        previous_hash=bytes.fromhex(said["previous_hash"]),
        hash=bytes.fromhex(said["hash"]),
    )


def _to_iso(us: str) -> str:
    """Return the instant; what is none that Python knows stays as it is, as `Infinity`."""
    try:
        return (_EPOCH + int(us) * _US).isoformat()
    except (ValueError, OverflowError):
        return us


def _from_iso(text: str) -> str:
    try:
        return str((datetime.fromisoformat(text) - _EPOCH) // _US)
    except (ValueError, TypeError):
        return text


def _to_cell(value: Any) -> str:
    if value is None:
        return _NULL
    text = str(value)
    return f"\\{text}" if text.startswith("\\") else text


def _from_cell(cell: Any) -> str | None:
    """Return the text of a cell; one that is not there, or one too many, counts as null."""
    if cell == _NULL or not isinstance(cell, str):
        return None
    return cell.removeprefix("\\")
