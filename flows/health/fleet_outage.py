"""Record that most of the fleet fell silent at once, and that it answers again."""

from collections.abc import Mapping
from datetime import datetime

from data import events, incidents
from data.database import Database
from data.events import NewEvent
from data.incidents import Problem, Solved
from data.states import FLEET_UNREACHABLE
from flows import incident_events
from flows.health.status_changes import AGENT


async def record_unreachable(
    database: Database, hub: str, failing: Mapping[str, str], *, probed: int, since: datetime
) -> None:
    """Open the one incident that stands for many outages at once, and link them to it.

    `failing` maps each silent project to its host: where all share one, that is suspected too.
    """
    silent, hosts = sorted(failing), set(failing.values())
    title = (
        f"{len(silent)} of {probed} projects stopped answering at once:"
        f" probably the network of {hub} itself"
        + (f", or their host {hosts.pop()}" if len(hosts) == 1 else "")
    )
    problem = Problem(
        project=None, hub=hub, kind=FLEET_UNREACHABLE, severity="critical", title=title, at=since
    )
    async with database.transaction() as connection:
        (incident,) = await incidents.open_or_update(connection, [problem])
        suppressed = await incidents.suppress_by_fleet(connection, hub, silent, since)
        said = NewEvent(
            occurred_at=since,
            hub=hub,
            agent=AGENT,
            kind="FleetUnreachable",
            severity="critical",
            incident_id=incident.id,
            message=title,
            details={"projects": silent, "probed": probed},
        )
        opened = [incident_events.opened(hub, AGENT, incident)] if incident.opened else []
        linked = [incident_events.suppressed(hub, AGENT, one, since) for one in suppressed]
        await events.append(connection, [said, *opened, *linked])


async def record_reachable(database: Database, hub: str, at: datetime) -> None:
    """Resolve the incident of the hub's own network."""
    resolution = "most projects answer again"
    solved = Solved(project=None, hub=hub, kind=FLEET_UNREACHABLE, at=at, resolution=resolution)
    async with database.transaction() as connection:
        resolved = await incidents.resolve(connection, [solved])
        await events.append(
            connection,
            [
                NewEvent(
                    occurred_at=at,
                    hub=hub,
                    agent=AGENT,
                    kind="FleetReachable",
                    severity="info",
                    incident_id=one.id,
                    message=f"{resolution} after {incident_events.lasted(one.opened_at, at)}",
                )
                for one in resolved
            ],
        )
