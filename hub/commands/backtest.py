"""`opslore rules backtest`: what would these rules have done?"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from config.hub_file import read_hub
from config.settings import Settings
from hub.commands.moments import read_moment
from hub.commands.outcome import AsJson, print_json, print_line, print_table, run
from hub.commands.rule_sources import read_places
from hub.record_access import open_record
from rules.backtest import backtest as backtests
from rules.backtest.backtest import Backtest
from rules.backtest.compare import CHANGES, Comparison
from rules.backtest.fidelity import Fidelity
from rules.backtest.outcomes import ASSUMPTION

_MOST_MISSES = 10

_CHANGES: Mapping[str, str] = {
    "same_action": "the same action",
    "other_action": "another action",
    "would_act": "an action where nothing was done",
    "would_not_act": "no action where something was done",
    "other_step": "no action either, but left otherwise",
    "neither_acts": "no action either",
}


def backtest(
    rules: Annotated[Path, typer.Argument(help="A file of rules, or a folder.")],
    since: Annotated[
        datetime,
        typer.Option(parser=read_moment, metavar="WHEN", help="So long ago, or an instant."),
    ] = "30d",  # type: ignore[assignment]
    until: Annotated[
        datetime,
        typer.Option(parser=read_moment, metavar="WHEN", help="So long ago, or an instant."),
    ] = "0s",  # type: ignore[assignment]
    compare: Annotated[
        Path | None, typer.Option(help="Other rules, to compare these with.")
    ] = None,
    project: Annotated[str | None, typer.Option(help="Tell only of this project.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Replay recorded incidents through rules: what they would have done, beside what was done."""
    settings = Settings()
    healing = read_hub(settings.hub_file).healing
    book, in_force = read_places([rules], settings), read_places([], settings)
    other = read_places([compare], settings) if compare else None
    started = time.monotonic()

    async def work() -> Backtest:
        books = [one for one in (book, in_force, other) if one is not None]
        async with open_record(settings) as database:
            then = await backtests.load(database, books, healing, since=since, until=until)
        return await asyncio.to_thread(
            backtests.backtest,
            then,
            book,
            healing,
            in_force=in_force,
            other=other,
            project=project,
        )

    made = run(work())
    if as_json:
        print_json(as_document(made))
    else:
        show(made, took_s=time.monotonic() - started)


def as_document(made: Backtest) -> dict[str, Any]:
    """Return a backtest as it is printed with `--json`."""
    rules = [{**asdict(one), "sentence": one.sentence} for one in made.rules]
    return {**asdict(made), "rules": rules, "assumption": ASSUMPTION}


def show(made: Backtest, *, took_s: float) -> None:
    """Print a backtest for a person."""
    print_line(
        f"rules {made.version}, {_day(made.since)} to {_day(made.until)}:"
        f" {made.incidents:,} incidents with {made.anomalies:,} anomalies,"
        f" replayed in {took_s:.1f} s",
        "bold",
    )
    print_table(
        made.rules,
        {
            "RULE": lambda r: r.rule,
            "MODE": lambda r: r.mode,
            "MATCHED": lambda r: str(r.matched),
            "WHAT": lambda r: r.sentence,
        },
    )
    _show_comparison("beside what the rules then did", made.against_record)
    if made.against_other is not None:
        _show_comparison("beside the other rules", made.against_other)
    if made.fidelity is not None:
        _show_fidelity(made.fidelity)
    print_line("")
    print_line(ASSUMPTION, "dim")


def _show_comparison(title: str, comparison: Comparison) -> None:
    print_line("")
    print_line(f"{title}, of {comparison.incidents:,} incidents:", "bold")
    for change in CHANGES:
        if count := getattr(comparison, change):
            print_line(f"  {count:>6,}  {_CHANGES[change]}")
    if comparison.examples:
        print_table(
            comparison.examples,
            {
                "INCIDENT": lambda e: str(e.incident_id),
                "OPENED": lambda e: f"{e.opened_at.astimezone():%Y-%m-%d %H:%M:%S}",
                "PROJECT": lambda e: e.project,
                "KIND": lambda e: e.kind,
                "BEFORE": lambda e: e.before,
                "NOW": lambda e: e.after,
            },
        )


def _show_fidelity(found: Fidelity) -> None:
    print_line("")
    if found.ratio is None:
        print_line("no decision of rules is on record: how true the replay is cannot be told")
        return
    print_line(
        f"fidelity {100 * found.ratio:.1f} %: a replay of the rules in force comes to"
        f" {found.decisions_reproduced:,} of {found.decisions:,} recorded decisions"
        f" and {found.attempts_reproduced:,} of {found.attempts:,} attempts"
        + (f", and to {found.added:,} attempts that are not on record" if found.added else ""),
        "bold",
    )
    for miss in found.misses[:_MOST_MISSES]:
        print_line(
            f"  incident {miss.incident_id}: {miss.recorded}; replayed: {miss.replayed}"
            f" ({miss.why.replace('_', ' ')})"
        )
    more = sum(found.why.values()) - _MOST_MISSES
    if more > 0:
        print_line(f"  and {more:,} more, see --json")


def _day(instant: datetime) -> str:
    return f"{instant.astimezone():%Y-%m-%d %H:%M}"
