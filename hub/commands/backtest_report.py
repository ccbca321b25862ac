"""A backtest as it is printed."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from hub.commands.outcome import print_line, print_table
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


def as_document(made: Backtest) -> dict[str, Any]:
    """Return a backtest as it is printed with `--json`."""
    rules = [{**asdict(one), "sentence": one.sentence} for one in made.rules]
    return {**asdict(made), "rules": rules, "assumption": ASSUMPTION}


def show(made: Backtest, *, took_s: float) -> None:
    """Print a backtest for a person."""
    print_line(
        f"rules {made.version}, {_day(made.since)} to {_day(made.until)}:"
        f" incidents: {made.incidents:,}, anomalies: {made.anomalies:,},"
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
