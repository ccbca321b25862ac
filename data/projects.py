"""The registry of projects, and the leases by which hubs share the polling."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from config.errors import OpsloreError
from config.projects_file import ProjectSpec
from data.database import Connection, Database
from data.named_sql import read_queries
from data.records import HealthStatus, StatusReport

_SQL = read_queries("projects")


class ProjectTaken(OpsloreError):
    """A project of this name is registered already."""


class ProjectUnknown(OpsloreError):
    """No project of this name is registered."""


class ProjectOwnedByFile(OpsloreError):
    """The project is defined in a projects file and is removed there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryChange:
    """What reading a projects file did to the registry; `refused` are names the database owns."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A registered project as a person asks for it; metrics are the newest of the last day."""

    name: str
    source: str
    spec: ProjectSpec
    paused: bool
    status: HealthStatus
    status_since: datetime
    status_detail: str | None
    leased_by: str | None
    reported: Mapping[str, Any]
    next_health_at: datetime | None
    next_metrics_at: datetime | None
    probed_at: datetime | None = None
    response_ms: float | None = None
    cpu_percent: float | None = None
    memory_percent: float | None = None
    error_rate_percent: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedProject:
    """A project that this hub holds, as the database last knew it."""

    spec: ProjectSpec
    changed_at: datetime
    status: HealthStatus
    status_since: datetime
    status_detail: str | None
    reported: Mapping[str, Any]
    next_health_at: datetime | None
    next_metrics_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldProject:
    """What a hub tells of a project when it renews its lease."""

    name: str
    next_health_at: datetime
    next_metrics_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """The outcome of a renewal: `kept` maps each project still held to its last change."""

    kept: Mapping[str, datetime]
    claimed: tuple[ClaimedProject, ...]
    released: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A status change to make where the status still is `from_status`."""

    project: str
    from_status: HealthStatus
    to_status: HealthStatus
    occurred_at: datetime
    detail: str | None


async def sync_file(
    database: Database, registry: str, specs: Sequence[ProjectSpec]
) -> RegistryChange:
    """Make the registry's file-owned projects those of `specs`, all or nothing."""
    source, names = f"file:{registry}", [spec.name for spec in specs]
    given = [{"name": spec.name, "spec": _dump(spec)} for spec in specs]
    async with database.transaction() as connection:
        upserted = await _all(
            connection, "upsert_from_file", {"source": source, "specs": Jsonb(given)}
        )
        removed = await _all(connection, "remove_missing", {"source": source, "names": names})
        refused = await _all(connection, "owned_elsewhere", {"source": source, "names": names})
    return RegistryChange(
        added=tuple(sorted(row["name"] for row in upserted if row["added"])),
        changed=tuple(sorted(row["name"] for row in upserted if not row["added"])),
        removed=tuple(sorted(row["name"] for row in removed)),
        refused=tuple(row["name"] for row in refused),
    )


async def add(database: Database, spec: ProjectSpec) -> None:
    """Register a project that the database owns.

    Raises:
        ProjectTaken: the name is registered already, by a file or in the database.
    """
    row = await database.fetch_one(
        _SQL["add_project"], {"name": spec.name, "spec": Jsonb(_dump(spec))}
    )
    if row is None:
        raise ProjectTaken(f"project {spec.name} is registered already")


async def remove(database: Database, name: str) -> None:
    """Remove a project that the database owns; its history stays.

    Raises:
        ProjectUnknown: no such project.
        ProjectOwnedByFile: a projects file defines it, so it would come back.
    """
    if await database.fetch_one(_SQL["remove_project"], {"name": name}) is None:
        owner = (await find(database, name)).source
        raise ProjectOwnedByFile(
            f"project {name} is defined in a projects file ({owner}): remove it there,"
            f" or stop polling it with `opslore projects pause {name}`"
        )


async def set_paused(database: Database, name: str, *, paused: bool) -> bool:
    """Stop or resume polling; return whether that changed anything.

    Raises:
        ProjectUnknown: no such project.
    """
    row = await database.fetch_one(_SQL["set_paused"], {"name": name, "paused": paused})
    if row is None:
        await find(database, name)
    return row is not None


async def find(database: Database, name: str) -> Project:
    """Return one project, without its newest measurements.

    Raises:
        ProjectUnknown: no such project.
    """
    row = await database.fetch_one(_SQL["find_project"], {"name": name})
    if row is None:
        raise ProjectUnknown(f"no project is named {name}; `opslore projects list` shows them")
    return _project(row)


async def list_all(database: Database) -> list[Project]:
    """Return every registered project, by name."""
    return [_project(row) for row in await database.fetch_all(_SQL["list_projects"])]


async def list_specs(database: Database) -> list[ProjectSpec]:
    """Return what is said of every project that is watched, by name."""
    rows = await database.fetch_all(_SQL["list_specs"])
    return [ProjectSpec.model_validate(row["spec"]) for row in rows]


async def hold(
    database: Database, hub: str, held: Sequence[HeldProject], lease: timedelta
) -> Holdings:
    """Renew what this hub holds, release what is above its share, claim what is free.

    1. Renew: a project that was removed, paused or taken by another hub is not kept.
    2. The share is all projects divided by the hubs whose poller gave a sign of life
       within `lease`.
    3. Above the share, give back; below it, claim with FOR UPDATE SKIP LOCKED.
    """
    async with database.transaction() as connection:
        renewed = await _all(
            connection,
            "renew_leases",
            {
                "hub": hub,
                "lease": lease,
                "names": [project.name for project in held],
                "next_health_at": [project.next_health_at for project in held],
                "next_metrics_at": [project.next_metrics_at for project in held],
            },
        )
        kept = {row["name"]: row["changed_at"] for row in renewed}
        share = (await _all(connection, "fair_share", {"lease": lease}))[0]["share"]
        surplus = tuple(sorted(kept)[share:])
        claimed: list[DictRow] = []
        if surplus:
            await _all(connection, "release_projects", {"hub": hub, "names": list(surplus)})
        elif len(kept) < share:
            claimed = await _all(
                connection,
                "claim_projects",
                {"hub": hub, "lease": lease, "held": list(kept), "up_to": share - len(kept)},
            )
    return Holdings(
        kept={name: at for name, at in kept.items() if name not in surplus},
        claimed=tuple(_claimed(row) for row in claimed),
        released=surplus,
    )


async def load_claimed(database: Database, hub: str, names: Sequence[str]) -> list[ClaimedProject]:
    """Return the newest specification of projects this hub holds."""
    rows = await database.fetch_all(_SQL["load_claimed"], {"hub": hub, "names": list(names)})
    return [_claimed(row) for row in rows]


async def release(database: Database, hub: str, names: Sequence[str]) -> None:
    """Give projects back at once, so that other hubs need not wait for the lease to run out."""
    await database.fetch_one(_SQL["release_projects"], {"hub": hub, "names": list(names)})


async def move_statuses(connection: Connection, moves: Sequence[Move]) -> set[str]:
    """Change statuses, each only where it is still what the caller believes; return those moved."""
    given = Jsonb([asdict(move) for move in moves])
    return {row["name"] for row in await _all(connection, "move_statuses", {"changes": given})}


async def note_reports(database: Database, reports: Sequence[StatusReport]) -> None:
    """Keep what projects last said about themselves."""
    given = [{"project": report.project, "reported": report.as_reported()} for report in reports]
    await database.execute(_SQL["note_reports"], {"reports": Jsonb(given)})


async def dependencies(database: Database) -> dict[str, tuple[str, ...]]:
    """Return, for each project that has some, all projects it depends on, also through others."""
    rows = await database.fetch_all(_SQL["dependencies"])
    return {row["project"]: tuple(row["dependencies"]) for row in rows}


async def _all(connection: Connection, query: str, params: Mapping[str, Any]) -> list[DictRow]:
    return await (await connection.execute(_SQL[query], params)).fetchall()


def _dump(spec: ProjectSpec) -> dict[str, Any]:
    return spec.model_dump(mode="json", by_alias=True)


def _project(row: DictRow) -> Project:
    return Project(**{**row, "spec": ProjectSpec.model_validate(row["spec"])})


def _claimed(row: DictRow) -> ClaimedProject:
    fields = {name: value for name, value in row.items() if name != "name"}
    return ClaimedProject(**{**fields, "spec": ProjectSpec.model_validate(row["spec"])})
