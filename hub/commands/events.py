"""`opslore events`: what happened, and what happens now."""

from contextlib import suppress
from typing import Annotated

import typer

from config.settings import Settings
from data import events as event_log
from data.bus import Bus, wait_for
from data.database import DatabaseUnavailable
from data.events import CHANNEL, Event
from hub.commands.outcome import AsJson, print_json, print_line, run
from hub.record_access import open_record

STYLES = {"info": None, "warning": "yellow", "critical": "red"}
LOOK_ANYWAY_S = 5.0


def events(
    project: Annotated[str | None, typer.Option(help="Only this project's.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only this kind, as in ProjectDown.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many of the newest.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as they come.")] = False,
    *,
    as_json: AsJson = False,
) -> None:
    """Show the newest events, oldest first; with --json one document a line."""
    run(_show(project, kind, limit, follow=follow, as_json=as_json))


async def _show(
    project: str | None, kind: str | None, limit: int, *, follow: bool, as_json: bool
) -> None:
    async with open_record(Settings()) as database:
        last_id = await event_log.last_id(database)
        newest = await event_log.latest(database, project=project, kind=kind, limit=limit)
        last_id = newest[-1].id if newest else last_id
        _print(newest, as_json=as_json)
        if not follow:
            return
        async with Bus(database.url, CHANNEL) as bus:
            heard = bus.listener(CHANNEL)
            while True:
                await wait_for(heard, LOOK_ANYWAY_S)
                with suppress(DatabaseUnavailable):  # it is asked again when it is back
                    fresh = await event_log.after(database, last_id, project=project, kind=kind)
                    _print(fresh, as_json=as_json)
                    last_id = fresh[-1].id if fresh else last_id


def _print(found: list[Event], *, as_json: bool) -> None:
    for event in found:
        if as_json:
            print_json(event)
        else:
            at = event.recorded_at.astimezone()
            print_line(f"{at:%Y-%m-%d %H:%M:%S}  {event.kind:<18} {event.message}", _style(event))


def _style(event: Event) -> str | None:
    return STYLES[event.severity]
