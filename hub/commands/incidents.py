"""`opslore incidents …`: the problems, open and past."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

import typer

from config.settings import Settings
from data import escalations, events, incidents, interventions
from data.incidents import Incident
from flows import incident_events
from flows.incident_events import lasted
from hub.commands import incident_story
from hub.commands.incident_story import Story
from hub.commands.outcome import AsJson, print_json, print_line, print_table, run
from hub.commands.people import By, MaybeReason, Reason
from hub.record_access import open_record

app = typer.Typer(
    help="List incidents, take one apart, take care of one, close one.", no_args_is_help=True
)

Number = Annotated[int, typer.Argument(metavar="INCIDENT", help="The incident's number.")]


@app.command("list")
def list_incidents(
    project: Annotated[str | None, typer.Option(help="Only this project's.")] = None,
    open_only: Annotated[bool, typer.Option("--open", help="Only what is not resolved.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many of the newest.")] = 50,
    *,
    as_json: AsJson = False,
) -> None:
    """Show incidents, the newest first."""

    async def load() -> list[Incident]:
        async with open_record(Settings()) as database:
            return await incidents.list_newest(
                database, project=project, open_only=open_only, limit=limit
            )

    found = run(load())
    if as_json:
        print_json(found)
        return
    print_table(
        found,
        {
            "INCIDENT": lambda i: str(i.id),
            "STATE": lambda i: "suppressed" if i.is_explained else i.state,
            "SEVERITY": lambda i: i.severity,
            "OPENED": lambda i: f"{i.opened_at.astimezone():%Y-%m-%d %H:%M:%S}",
            "LASTED": lambda i: lasted(i.opened_at, i.resolved_at or datetime.now(UTC)),
            "WHAT": lambda i: i.title,
        },
    )


@app.command("show")
def show_incident(incident_id: Number, *, as_json: AsJson = False) -> None:
    """Show one incident: what was measured, decided, tried, told, and all that happened."""

    async def load() -> Story:
        async with open_record(Settings()) as database:
            return await incident_story.load(database, incident_id)

    story = run(load())
    if as_json:
        print_json(incident_story.as_json(story))
    else:
        incident_story.print_story(story)


@app.command("acknowledge")
def acknowledge_incident(
    incident_id: Number, by: By, reason: MaybeReason = None, *, as_json: AsJson = False
) -> None:
    """Take care of an incident: nobody else is told of it."""

    async def acknowledge() -> tuple[bool, Incident]:
        async with open_record(Settings()) as database:
            changed = await escalations.acknowledge(database, incident_id, by=by, reason=reason)
            return changed, await incidents.find(database, incident_id)

    changed, incident = run(acknowledge())
    _told(incident_id, _acknowledged(incident, changed=changed), as_json=as_json)


@app.command("resolve")
def resolve_incident(
    incident_id: Number, reason: Reason, by: By, *, as_json: AsJson = False
) -> None:
    """Close an incident by hand, with the anomalies in it; it opens anew if they go on."""
    changed = run(_resolve(incident_id, by=by, reason=reason))
    _told(incident_id, "resolved" if changed else "was resolved already", as_json=as_json)


async def _resolve(incident_id: int, *, by: str, reason: str) -> bool:
    async with open_record(Settings()) as database:
        await incidents.find(database, incident_id)
        async with database.transaction() as connection:
            said = f"closed by {by}: {reason}"
            resolved = await interventions.resolve(connection, incident_id, said)
            if resolved is not None:
                event = incident_events.resolved(by, "incidents", resolved)
                told = replace(event, message=f"{event.message} ({said})")
                await events.append(connection, [told])
    return resolved is not None


def _acknowledged(incident: Incident, *, changed: bool) -> str:
    if changed:
        return "acknowledged"
    if incident.state == "resolved":
        return "was resolved already"
    return f"was acknowledged already by {incident.acknowledged_by}"


def _told(incident_id: int, what: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"incident": incident_id, "outcome": what})
    else:
        print_line(f"incident {incident_id}: {what}")
