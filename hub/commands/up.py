"""`opslore up`: watch your own projects on this machine."""

import asyncio
import signal

from config.hub_file import read_hub
from config.projects_file import read_projects
from config.settings import Settings
from hub.commands.dry_run import DryRun, with_dry_run
from hub.commands.outcome import print_line, run
from hub.only_one import only_one
from hub.supervisor import Supervisor


def up(*, dry_run: DryRun = False) -> None:
    """Start Postgres, Prefect and a hub for the projects file, and keep them running."""
    run(_watch(dry_run=dry_run))


async def _watch(*, dry_run: bool) -> None:
    settings = Settings()
    hub_settings = with_dry_run(read_hub(settings.hub_file), dry_run=dry_run)
    count = len(read_projects(settings.projects_file))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with only_one("up", settings.home):
        print_line("starting Postgres …" if not settings.database_url else "asking Postgres …")
        async with Supervisor(settings, hub_settings) as supervisor:
            hub = await supervisor.start_hub()
            print_line(f"projects     {count} in {settings.projects_file}")
            print_line(f"Prefect UI   {supervisor.prefect_ui_url or 'switched off'}")
            print_line(f"log          {hub.log_file}")
            print_line("Ctrl-C ends everything")
            await stop.wait()
            print_line("stopping …")
