"""`opslore audit …`: what was done to projects, and the proof that nobody rewrote it."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from config.errors import OpsloreError
from config.hub_file import read_hub
from config.settings import Settings
from data import anchors, audit_chain, audit_export, audit_verification
from data.anchors import Anchor
from data.audit_chain import Entry
from data.audit_export import Format
from data.audit_verification import Verification
from data.chain_walk import Breach
from hub.commands.outcome import (
    EXIT_FAILED,
    AsJson,
    print_json,
    print_line,
    print_table,
    run,
)
from hub.record_access import open_record

app = typer.Typer(
    help="Verify, export and list the history of what was done to projects.", no_args_is_help=True
)


class ExportUnwritable(OpsloreError):
    """The export cannot be written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Anchors:
    """The anchors of one or more files; `note` says why there are none."""

    anchors: tuple[Anchor, ...] = ()
    damage: tuple[Breach, ...] = ()
    note: str = ""


@app.command("verify")
def verify(
    files: Annotated[
        list[Path] | None,
        typer.Option("--anchors", help="A file of anchors; that of the hub file unless told."),
    ] = None,
    export: Annotated[
        Path | None, typer.Option(help="Verify an exported file instead of the record.")
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="The export leaves rows out on purpose.")
    ] = False,
    *,
    as_json: AsJson = False,
) -> None:
    """Tell whether every row is as it was written; exit with 1 and name the first that is not."""
    given = _read_anchors(files, export)
    if export is not None:
        found = audit_verification.verify_export(export, given.anchors, partial=partial)
    else:
        found = run(_verify_record(given.anchors))
    breaches = [*found.breaches, *given.damage, *_no_anchor_fits(found, files)]
    if as_json:
        print_json({"intact": not breaches, **_facts(found), "breaches": breaches})
    else:
        _print(found, breaches, given.note)
    if breaches:
        raise typer.Exit(EXIT_FAILED)


@app.command("export")
def export(
    since: Annotated[
        datetime | None, typer.Option(help="Only rows since then, in UTC: leaves rows out.")
    ] = None,
    project: Annotated[
        str | None, typer.Option(help="Only this project's rows: leaves rows out.")
    ] = None,
    form: Annotated[
        Format, typer.Option("--format", help="JSON, one row a line, or CSV.")
    ] = "jsonl",
    output: Annotated[
        Path | None, typer.Option(help="A new file, instead of standard output.")
    ] = None,
) -> None:
    """Write out the history with its hashes, so that others can verify it without this record."""
    since = since and since.replace(tzinfo=UTC)
    if output is None:
        try:
            run(_export(sys.stdout, form, project, since))
        except BrokenPipeError:  # whoever read it has seen enough
            sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 (it lasts as long as we do)
        return
    with _new_file(output) as file:
        rows = run(_export(file, form, project, since))
    print_line(f"{rows:,} rows are in {output}")


@app.command("list")
def list_entries(
    project: Annotated[str | None, typer.Option(help="Only this project's.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many of the newest.")] = 50,
    *,
    as_json: AsJson = False,
) -> None:
    """Show what was done, the newest first."""

    async def load() -> list[Entry]:
        async with open_record(Settings()) as database:
            return await audit_chain.list_newest(database, project=project, limit=limit)

    found = run(load())
    if as_json:
        print_json([{**asdict(entry), "action_id": str(entry.action_id)} for entry in found])
        return
    print_table(
        found,
        {
            "ROW": lambda e: str(e.seq),
            "WHEN": lambda e: f"{e.recorded_at.astimezone():%Y-%m-%d %H:%M:%S}",
            "PROJECT": lambda e: e.project,
            "ACTION": lambda e: e.action,
            "STATE": lambda e: f"{e.from_state} → {e.to_state}" if e.from_state else e.to_state,
            "BY": lambda e: e.actor,
            "WHY": lambda e: e.reason,
        },
    )


def _read_anchors(files: list[Path] | None, export: Path | None) -> _Anchors:
    """Return the anchors of the files, or of the file that this machine's hub writes."""
    if files is None:
        settings = Settings()
        path = read_hub(settings.hub_file).audit.anchor_path(settings.home)
        if export is not None or not path.exists():
            return _Anchors(note="" if export else f"there is no file of anchors at {path}")
        files = [path]
    read = [anchors.read(path) for path in files]
    return _Anchors(
        anchors=tuple(anchor for one in read for anchor in one.anchors),
        damage=tuple(
            Breach(kind="anchors_damaged", seq=None, problem=fault)
            for one in read
            for fault in one.faults
        ),
    )


def _no_anchor_fits(found: Verification, files: list[Path] | None) -> list[Breach]:
    """Anchors that were named are meant for this record: a record that was exchanged has none."""
    if files is None or found.anchors or not found.anchors_of_others:
        return []
    problem = f"none of the {found.anchors_of_others:,} anchors is of this record"
    return [Breach(kind="anchors_foreign", seq=None, problem=problem)]


async def _verify_record(given: Sequence[Anchor]) -> Verification:
    async with open_record(Settings(), migrate=False) as database:
        return await audit_verification.verify(database, given)


async def _export(file: IO[str], form: Format, project: str | None, since: datetime | None) -> int:
    async with open_record(Settings(), migrate=False) as database:
        rows = await audit_export.write(database, file, form, project=project, since=since)
        file.flush()
        return rows


@contextmanager
def _new_file(path: Path) -> Iterator[IO[str]]:
    """Lend a new file that only its owner can read; it goes if what is done with it fails."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise ExportUnwritable(f"{path}: it cannot be written: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            yield file
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise ExportUnwritable(f"{path}: it cannot be written: {error.strerror}") from None
        raise


def _facts(found: Verification) -> dict[str, Any]:
    return {**asdict(found), "database": str(found.database) if found.database else None}


def _print(found: Verification, breaches: Sequence[Breach], note: str) -> None:
    for breach in breaches:
        print_line(breach.problem, "red")
        if breach.expected and breach.found:
            print_line(f"  expected {breach.expected}")
            print_line(f"  found    {breach.found}")
    if not breaches:
        print_line(f"the history is intact: {found.rows:,} rows, the last is {found.head_seq}")
    if found.anchored_seq:
        print_line(f"anchored up to row {found.anchored_seq}, not yet: {found.unanchored_rows:,}")
    else:
        print_line(
            "no anchor covers it: who owns the database could have rewritten it as a whole",
            "yellow",
        )
    if note:
        print_line(note)
    if found.anchors_of_others:
        print_line(f"anchors of other records, not used: {found.anchors_of_others:,}")
