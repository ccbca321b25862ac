"""How every command ends: what it prints, as a table or as JSON, and its exit code."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from config.errors import ConfigError, OpsloreError
from data.database import DatabaseUnavailable
from data.incidents import IncidentUnknown
from data.json_text import to_json
from data.projects import ProjectUnknown

T = TypeVar("T")

EXIT_FAILED = 1
EXIT_UNAVAILABLE = 3
EXIT_NOT_FOUND = 4

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]

_console = Console(highlight=False, soft_wrap=True)
_errors = Console(highlight=False, soft_wrap=True, stderr=True)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work; turn what may go wrong into one message and an exit code."""
    try:
        return asyncio.run(work)
    except OpsloreError as error:
        fail(error)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def fail(error: OpsloreError) -> NoReturn:
    """Print an error and leave: 3 no database, 4 no such thing, 1 anything else."""
    _errors.print(str(error), style="red", markup=False)
    match error:
        case DatabaseUnavailable():
            code = EXIT_UNAVAILABLE
        case ProjectUnknown() | IncidentUnknown():
            code = EXIT_NOT_FOUND
        case ConfigError() | _:
            code = EXIT_FAILED
    raise typer.Exit(code)


def print_json(value: Any) -> None:
    """Print one JSON document on one line."""
    sys.stdout.write(to_json(_plain(value)) + "\n")
    sys.stdout.flush()


def print_line(text: str, style: str | None = None) -> None:
    """Print a line of text as it is: nothing in it is taken for markup."""
    _console.print(text, style=style, markup=False)


def print_table(rows: Sequence[T], columns: Mapping[str, Callable[[T], str]]) -> None:
    """Print rows as a plain table; what the cells hold is shown as text."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in columns:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(escape(cell(row)) for cell in columns.values()))
    _console.print(table)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", by_alias=True)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
