"""`opslore credit`: does what is done help?"""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from config.durations import format_duration
from config.settings import Settings
from data import credit as recorded
from data.analytics.credit import Credit, Share
from hub.commands.durations import read_duration
from hub.commands.outcome import AsJson, print_json, print_line, print_table, run
from hub.record_access import open_record


def credit(
    kind: Annotated[str | None, typer.Option(help="Only incidents of this kind.")] = None,
    action: Annotated[str | None, typer.Option(help="Only this action.")] = None,
    within: Annotated[
        timedelta,
        typer.Option(parser=read_duration, metavar="DURATION", help="What counts as in time."),
    ] = "5m",  # type: ignore[assignment]
    since: Annotated[
        timedelta,
        typer.Option(parser=read_duration, metavar="DURATION", help="How far back to look."),
    ] = "30d",  # type: ignore[assignment]
    *,
    as_json: AsJson = False,
) -> None:
    """Show for each kind of incident and action how many recover with it, and how many without."""

    async def load() -> list[Credit]:
        async with open_record(Settings()) as database:
            return await recorded.load(
                database,
                since=datetime.now(UTC) - since,
                within=within,
                kind=kind,
                action=action,
            )

    found = run(load())
    if as_json:
        print_json(found)
        return
    if not found:
        print_line(f"nothing was carried out in an incident of the last {format_duration(since)}")
        return
    print_table(
        found,
        {
            "KIND": lambda c: c.kind,
            "ACTION": lambda c: c.action,
            "AFTER": lambda c: _seconds(c.landmark),
            "RECOVERED WITH IT": lambda c: _share(c.with_action),
            "WITHOUT": lambda c: _share(c.without),
            "DIFFERENCE": _difference,
            "VERDICT": lambda c: c.verdict.replace("_", " "),
        },
    )
    print_line(
        f"recovered: within {format_duration(within)} of the action, and of the same moment"
        " where there was none; in brackets the 95 % intervals"
    )


def _seconds(duration: timedelta) -> str:
    return format_duration(timedelta(seconds=round(duration.total_seconds(), 1)))


def _share(share: Share) -> str:
    if share.ratio is None:
        return "no case"
    low, high = share.interval.low, share.interval.high
    return f"{share.recovered} of {share.cases} ({100 * low:.0f} to {100 * high:.0f} %)"


def _difference(credit: Credit) -> str:
    if credit.difference is None or credit.interval is None:
        return "–"
    low, high = credit.interval.low, credit.interval.high
    return f"{100 * credit.difference:+.0f} points ({100 * low:+.0f} to {100 * high:+.0f})"
