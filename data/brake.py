"""The global brake: while it is pulled, no hub starts an action."""

from dataclasses import dataclass
from datetime import UTC, datetime

from data import events, incidents
from data.database import Connection, Database
from data.events import NewEvent
from data.named_sql import read_queries

_SQL = read_queries("brake")


@dataclass(frozen=True, slots=True, kw_only=True)
class Brake:
    """Whether the brake is pulled, and who last moved it, why and when."""

    stopped: bool
    by: str
    reason: str
    at: datetime


async def read(connection: Connection) -> Brake:
    """Return how the brake stands."""
    row = await (await connection.execute(_SQL["read_brake"])).fetchone()
    assert row is not None
    return Brake(**row)


async def set_stopped(database: Database, *, stopped: bool, by: str, reason: str) -> bool:
    """Pull or release the brake and return whether that changed anything.

    1. Move the brake, which holds at once for whatever has not begun.
    2. When it was pulled, wait for what was just beginning: when this returns no action begins
       any more, in any hub. What has begun goes on to its end.
    """
    changed = await _move(database, stopped=stopped, by=by, reason=reason)
    if stopped:
        async with database.transaction() as connection:
            await connection.execute(_SQL["queue_for_brake"])
    return changed


async def _move(database: Database, *, stopped: bool, by: str, reason: str) -> bool:
    async with database.transaction() as connection:
        values = {"stopped": stopped, "by": by, "reason": reason}
        if await (await connection.execute(_SQL["set_brake"], values)).fetchone() is None:
            return False
        if not stopped:
            await incidents.look_at_all_again(connection)
        await events.append(connection, [_event(stopped=stopped, by=by, reason=reason)])
    return True


def _event(*, stopped: bool, by: str, reason: str) -> NewEvent:
    what = "no hub starts actions any more" if stopped else "hubs start actions again"
    return NewEvent(
        occurred_at=datetime.now(UTC),
        hub=by,
        agent="brake",
        kind="ActingStopped" if stopped else "ActingResumed",
        severity="warning" if stopped else "info",
        message=f"{by}: {what}" + (f": {reason}" if reason else ""),
    )
