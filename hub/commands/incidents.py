"""`opslore incidents …`: the problems, open and past."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from config.settings import Settings
from data import anomalies, events, incidents
from data.anomalies import Anomaly
from data.events import Event
from data.incidents import Incident
from flows.incident_events import lasted
from hub.commands.outcome import AsJson, print_json, print_line, print_table, run
from hub.record_access import open_record

app = typer.Typer(help="List incidents and take one apart.", no_args_is_help=True)


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
            "STATE": lambda i: "suppressed" if _is_suppressed(i) else i.state,
            "SEVERITY": lambda i: i.severity,
            "OPENED": lambda i: f"{i.opened_at.astimezone():%Y-%m-%d %H:%M:%S}",
            "LASTED": lambda i: lasted(i.opened_at, i.resolved_at or datetime.now(UTC)),
            "WHAT": lambda i: i.title,
        },
    )


@app.command("show")
def show_incident(
    incident_id: Annotated[int, typer.Argument(help="The incident's number.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Show one incident with its anomalies and everything that happened in it."""

    async def load() -> tuple[Incident, list[Anomaly], list[Event]]:
        async with open_record(Settings()) as database:
            return (
                await incidents.find(database, incident_id),
                await anomalies.of_incident(database, incident_id),
                await events.of_incident(database, incident_id),
            )

    incident, held, happened = run(load())
    if as_json:
        print_json({"incident": incident, "anomalies": held, "events": happened})
        return
    print_line(f"incident {incident.id}: {incident.title}", "bold")
    print_line(
        f"{incident.state}, {incident.severity}, opened"
        f" {incident.opened_at.astimezone():%Y-%m-%d %H:%M:%S}, lasted"
        f" {lasted(incident.opened_at, incident.resolved_at or datetime.now(UTC))}"
        + (f", {incident.resolution}" if incident.resolution else "")
    )
    if incident.cause_incident_id:
        print_line(f"explained by incident {incident.cause_incident_id}")
    for anomaly in held:
        print_line(f"  {anomaly.metric}: {anomaly.reason}; the worst was {anomaly.extreme:.4g}")
    for event in happened:
        print_line(f"  {event.occurred_at.astimezone():%H:%M:%S}  {event.kind:<18} {event.message}")


def _is_suppressed(incident: Incident) -> bool:
    return incident.state == "open" and incident.cause_incident_id is not None
