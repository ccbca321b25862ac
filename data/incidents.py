"""Incidents: one per project and kind at a time, opened, added to, suppressed, resolved."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from psycopg.types.json import Jsonb

from config.errors import OpsloreError
from data.database import Connection, Database
from data.named_sql import read_queries
from data.records import Severity
from data.states import IncidentState

_SQL = read_queries("incidents")


class IncidentUnknown(OpsloreError):
    """There is no incident of this number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What an incident is opened for: a project, or the fleet as `hub` sees it."""

    project: str | None
    kind: str
    severity: Severity
    title: str
    at: datetime
    hub: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """What an incident is resolved for."""

    project: str | None
    kind: str
    at: datetime
    resolution: str
    hub: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An incident after a problem was added; `opened` is False when it was open before."""

    id: int
    project: str | None
    kind: str
    severity: Severity
    title: str
    opened_at: datetime
    opened: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """An incident that was resolved by this call."""

    id: int
    project: str | None
    kind: str
    severity: Severity
    title: str
    opened_at: datetime
    resolved_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppressed:
    """An incident that another one explains."""

    id: int
    project: str
    kind: str
    title: str
    cause_id: int
    cause_project: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """An incident as a person asks for it.

    `is_explained` is whether it is open, and so is the one that explains it.
    """

    id: int
    project: str | None
    kind: str
    severity: Severity
    state: IncidentState
    title: str
    opened_at: datetime
    updated_at: datetime
    resolved_at: datetime | None
    resolution: str | None
    cause_incident_id: int | None
    explanation: str | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    is_explained: bool


async def open_or_update(connection: Connection, problems: Sequence[Problem]) -> list[Opened]:
    """Open an incident per problem, or add to the one that is open for the same project and kind.

    `problems` holds at most one per project and kind.
    """
    given = Jsonb([asdict(problem) for problem in problems])
    cursor = await connection.execute(_SQL["open_incidents"], {"problems": given})
    return [Opened(**row) for row in await cursor.fetchall()]


async def resolve(connection: Connection, solved: Sequence[Solved]) -> list[Resolved]:
    """Resolve what is still open and return it; what is resolved already is left alone."""
    given = Jsonb([asdict(one) for one in solved])
    cursor = await connection.execute(_SQL["resolve_incidents"], {"solved": given})
    return [Resolved(**row) for row in await cursor.fetchall()]


async def resolve_unwatched(connection: Connection) -> list[Resolved]:
    """Resolve the incidents of projects that nobody watches any more."""
    rows = await (await connection.execute(_SQL["resolve_unwatched"])).fetchall()
    return [Resolved(**row) for row in rows]


async def fleet_incident_is_open(database: Database, hub: str) -> bool:
    """Return whether a hub's own network is held to be gone."""
    return await database.fetch_one(_SQL["open_fleet_incident"], {"hub": hub}) is not None


async def suppress_dependents(
    connection: Connection, dependencies: Mapping[str, Sequence[str]]
) -> list[Suppressed]:
    """Link open incidents to the outage of a project that theirs depends on.

    `dependencies` maps a project to all projects it depends on, also through others. Only an
    incident that began with the outage, or after it, is explained by it.
    """
    pairs = [
        {"project": project, "dependency": dependency}
        for project, upstream in dependencies.items()
        for dependency in upstream
    ]
    cursor = await connection.execute(_SQL["suppress_dependents"], {"dependencies": Jsonb(pairs)})
    return [Suppressed(**row) for row in await cursor.fetchall()]


async def suppress_by_fleet(
    connection: Connection, hub: str, projects: Sequence[str], at: datetime
) -> list[Suppressed]:
    """Link outages of these projects to the open incident of the hub's own network, if any."""
    cursor = await connection.execute(
        _SQL["suppress_by_fleet"], {"hub": hub, "projects": list(projects), "at": at}
    )
    return [Suppressed(**row) for row in await cursor.fetchall()]


async def list_newest(
    database: Database, *, project: str | None = None, open_only: bool = False, limit: int = 50
) -> list[Incident]:
    """Return incidents, the newest first."""
    params = {"project": project, "open_only": open_only, "limit": limit}
    return [Incident(**row) for row in await database.fetch_all(_SQL["list_incidents"], params)]


async def kinds(database: Database) -> list[str]:
    """Return the kinds that incidents had so far, in order."""
    return [row["kind"] for row in await database.fetch_all(_SQL["incident_kinds"])]


async def find(database: Database, incident_id: int) -> Incident:
    """Return one incident.

    Raises:
        IncidentUnknown: no such incident.
    """
    row = await database.fetch_one(_SQL["find_incident"], {"incident_id": incident_id})
    if row is None:
        raise IncidentUnknown(
            f"there is no incident {incident_id}; `opslore incidents list` shows them"
        )
    return Incident(**row)


async def claim_due(
    database: Database, hub: str, *, lease: timedelta, limit: int, without: Collection[int] = ()
) -> list[int]:
    """Claim incidents whose next step is due, and those whose hub did not come back for them.

    Each is this hub's alone until it is released or `lease` runs out unrenewed. `without` are
    those that the hub is still at work on, even if it came too late to renew them.
    """
    params = {"hub": hub, "lease": lease, "limit": limit, "without": list(without)}
    return [row["id"] for row in await database.fetch_all(_SQL["claim_due"], params)]


async def renew_claims(
    database: Database, hub: str, ids: Collection[int], *, lease: timedelta
) -> frozenset[int]:
    """Keep claims, and return those that this hub still holds."""
    params = {"hub": hub, "ids": list(ids), "lease": lease}
    rows = await database.fetch_all(_SQL["renew_claims"], params)
    return frozenset(row["id"] for row in rows)


async def release_claim(
    database: Database, hub: str, incident_id: int, *, after: timedelta | None
) -> None:
    """Give an incident back until its next step; None where there is none.

    What somebody else asked to be looked at meanwhile is looked at when they asked for it.
    """
    params = {"hub": hub, "id": incident_id, "after": after}
    await database.execute(_SQL["release_claim"], params)


async def next_due_in_s(database: Database) -> float | None:
    """Return in how many seconds the next step of any incident is due; negative when it was."""
    row = await database.fetch_one(_SQL["next_due"])
    return row["seconds"] if row else None


async def look_again(connection: Connection, projects: Sequence[str]) -> None:
    """Have the open incidents of projects looked at, because something about them is new."""
    await connection.execute(_SQL["look_again"], {"projects": list(projects)})


async def look_at_one_again(connection: Connection, incident_id: int) -> None:
    """Have an incident looked at, because somebody decided about it."""
    await connection.execute(_SQL["look_at_one_again"], {"incident_id": incident_id})


async def look_at_all_again(connection: Connection) -> None:
    """Have every open incident looked at: what was held may go on, other rules may hold."""
    await connection.execute(_SQL["look_at_all_again"])


async def suppress_by_incident(
    connection: Connection, cause_id: int, incident_ids: Collection[int]
) -> list[Suppressed]:
    """Link incidents to the one that is acted on for all of them."""
    params = {"cause_id": cause_id, "ids": list(incident_ids)}
    rows = await (await connection.execute(_SQL["suppress_by_incident"], params)).fetchall()
    return [Suppressed(**row) for row in rows]
