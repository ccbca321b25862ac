"""`opslore rules backtest`: what would these rules have done?"""

import asyncio
import gc
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from config.hub_file import read_hub
from config.settings import Settings
from hub.commands.moments import read_moment
from hub.commands.outcome import AsJson, print_json, run
from hub.commands.rule_sources import read_places
from hub.record_access import open_record


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
    from hub.commands.backtest_report import as_document, show  # noqa: PLC0415 (durable_rules)
    from rules.backtest import backtest as backtests  # noqa: PLC0415

    settings = Settings()
    healing = read_hub(settings.hub_file).healing
    book, in_force = read_places([rules], settings), read_places([], settings)
    other = read_places([compare], settings) if compare else None
    started = time.monotonic()

    async def work() -> backtests.Backtest:
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

    gc.disable()  # hundreds of thousands of records, all of them kept to the end
    try:
        made = run(work())
    finally:
        gc.enable()
    if as_json:
        print_json(as_document(made))
    else:
        show(made, took_s=time.monotonic() - started)
