"""Silences: what people wish not to hear of, and not to be acted on, for a while."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from config.errors import OpsloreError
from data import events, incidents
from data.database import Connection, Database
from data.events import EventKind, NewEvent
from data.named_sql import read_queries

_SQL = read_queries("silences")


class SilenceUnknown(OpsloreError):
    """There is no such silence, or it is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSilence:
    """A silence to add: of a project, of a tag, of a kind, or of what is all that is given."""

    starts_at: datetime
    ends_at: datetime
    reason: str
    created_by: str
    project: str | None = None
    tag: str | None = None
    kind: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """A recorded silence; None stands for any."""

    id: int
    project: str | None
    tag: str | None
    kind: str | None
    starts_at: datetime
    ends_at: datetime
    reason: str
    created_by: str
    created_at: datetime
    ended_by: str | None


async def add(database: Database, new: NewSilence) -> int:
    """Add a silence and return its number; open incidents are looked at again."""
    async with database.transaction() as connection:
        row = await (await connection.execute(_SQL["add_silence"], asdict(new))).fetchone()
        assert row is not None
        await incidents.look_at_all_again(connection)
        what = ", ".join(filter(None, (new.project, new.tag and f"tag {new.tag}", new.kind)))
        told = f"{what} is silenced until {new.ends_at:%Y-%m-%d %H:%M} UTC: {new.reason}"
        await events.append(connection, [_event("SilenceAdded", new.created_by, told)])
    return int(row["id"])


async def end(database: Database, silence_id: int, *, by: str) -> None:
    """End a silence before its time; open incidents are looked at again.

    Raises:
        SilenceUnknown: there is none of this number that holds or is to come.
    """
    async with database.transaction() as connection:
        values = {"id": silence_id, "by": by}
        if await (await connection.execute(_SQL["end_silence"], values)).fetchone() is None:
            raise SilenceUnknown(
                f"there is no silence {silence_id} to end; `opslore silences list` shows them"
            )
        await incidents.look_at_all_again(connection)
        told = f"silence {silence_id} is over"
        await events.append(connection, [_event("SilenceEnded", by, told)])


async def active(connection: Connection) -> list[Silence]:
    """Return the silences that hold now."""
    rows = await (await connection.execute(_SQL["active_silences"])).fetchall()
    return [Silence(**row) for row in rows]


async def list_newest(database: Database, *, limit: int = 50) -> list[Silence]:
    """Return silences, the newest first."""
    return [Silence(**r) for r in await database.fetch_all(_SQL["list_silences"], {"limit": limit})]


def _event(kind: EventKind, by: str, message: str) -> NewEvent:
    return NewEvent(
        occurred_at=datetime.now(UTC),
        hub=by,
        agent="silences",
        kind=kind,
        severity="info",
        message=f"{by}: {message}",
    )
