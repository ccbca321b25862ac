"""How every command ends: what it prints, as a table or as JSON, and its exit code."""

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Annotated, Any, NoReturn, TypeVar
from uuid import UUID

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup

from config.errors import ConfigError, OpsloreError
from data.attempts import AttemptUnknown
from data.database import DatabaseUnavailable
from data.incidents import IncidentUnknown
from data.json_text import to_json
from data.projects import ProjectUnknown
from data.silences import SilenceUnknown
from hub.visible_text import visible

T = TypeVar("T")

EXIT_FAILED = 1
EXIT_UNAVAILABLE = 3
EXIT_NOT_FOUND = 4
EXIT_INTERRUPTED = 130

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]

_console = Console(highlight=False, soft_wrap=True)
_errors = Console(highlight=False, soft_wrap=True, stderr=True)


class Commands(TyperGroup):
    """Commands of which each turns what may go wrong into one message and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except OpsloreError as error:
            fail(error)
        except KeyboardInterrupt:
            raise typer.Exit(EXIT_INTERRUPTED) from None


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work to its end; SIGTERM and a closed terminal interrupt it in order."""
    try:
        return asyncio.run(_interruptible(work))
    except asyncio.CancelledError:
        raise typer.Exit(EXIT_INTERRUPTED) from None


async def _interruptible(work: Coroutine[Any, Any, T]) -> T:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await work


def fail(error: OpsloreError) -> NoReturn:
    """Print an error and leave: 3 no database, 4 no such thing, 1 anything else."""
    for line in error.faults if isinstance(error, ConfigError) else [error]:
        print_error(str(line))
    match error:
        case DatabaseUnavailable():
            code = EXIT_UNAVAILABLE
        case ProjectUnknown() | IncidentUnknown() | AttemptUnknown() | SilenceUnknown():
            code = EXIT_NOT_FOUND
        case _:
            code = EXIT_FAILED
    raise typer.Exit(code)


def print_json(value: Any) -> None:
    """Print one JSON document on one line."""
    sys.stdout.write(to_json(_plain(value)) + "\n")
    sys.stdout.flush()


def print_line(text: str, style: str | None = None) -> None:
    """Print one line; whatever is in the text is shown as text."""
    _console.print(Text(visible(text), style=style or ""))


def print_error(text: str) -> None:
    """Print one line where errors go."""
    _errors.print(Text(visible(text), style="red"))


def print_table(rows: Sequence[T], columns: Mapping[str, Callable[[T], str]]) -> None:
    """Print rows under their headings, one line each, as wide as they are."""
    table = [list(columns), *([visible(cell(row)) for cell in columns.values()] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*table, strict=True)]
    for number, row in enumerate(table):
        cells = (
            text + " " * (width - cell_len(text)) for text, width in zip(row, widths, strict=True)
        )
        _console.print(Text("  ".join(cells).rstrip(), style="" if number else "bold"))


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", by_alias=True)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, UUID) else value
