"""Notices: what is to be told to whom, kept until it was, sent by one hub at a time."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from data.database import Connection, Database
from data.named_sql import read_queries
from data.records import Severity

CHANNEL = "opslore_notices"
_SQL = read_queries("notices")

Purpose = Literal["escalation", "approval", "suggestion", "resolved", "test", "action"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNotice:
    """A notice to send from `due_at` on, at once where it is None; `contact` None: to nobody."""

    contact: str | None
    purpose: Purpose
    severity: Severity
    subject: str
    body: str = ""
    incident_id: int | None = None
    attempt_id: UUID | None = None
    project: str | None = None
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A recorded notice, with how its incident stands; `attempts` counts the one under way.

    `attempt_state` and `expires_at` are those of the attempt that it asks about. `delivered`
    are the addresses that took it, as fingerprints. At most one of `sent_at`, `given_up_at` and
    `left_out_at` is set.
    """

    id: int
    contact: str | None
    purpose: Purpose
    severity: Severity
    subject: str
    body: str
    incident_id: int | None
    attempt_id: UUID | None
    project: str | None
    kind: str | None
    created_at: datetime
    due_at: datetime
    group_id: UUID | None
    leased_by: str | None
    attempts: int
    delivered: list[str]
    last_error: str | None
    sent_at: datetime | None
    given_up_at: datetime | None
    left_out_at: datetime | None
    opened_at: datetime | None
    resolved_at: datetime | None
    acknowledged_by: str | None
    attempt_state: str | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A notice that is not sent yet, as far as it matters for when it goes out.

    `leased`: a hub is sending it. `told`: it says that an incident is over, of which the
    contact knows, or may know.
    """

    id: int
    contact: str | None
    purpose: Purpose
    severity: Severity
    incident_id: int | None
    project: str | None
    subject: str
    due_at: datetime
    attempts: int
    leased: bool = False
    told: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranded:
    """A question that reached nobody; `contacts` are those that it was for."""

    attempt_id: UUID
    severity: Severity
    subject: str
    body: str
    incident_id: int | None
    project: str | None
    contacts: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryOutcome:
    """What became of one notice; `due_at` is when it is tried again.

    `delivered` is None where nothing is known that was not known before.
    """

    id: int
    outcome: Literal["sent", "again", "given_up"]
    delivered: Sequence[str] | None = None
    error: str | None = None
    due_at: datetime | None = None


async def add(connection: Connection, notices: Sequence[NewNotice]) -> list[int]:
    """Record notices inside the caller's transaction and return their numbers.

    A step of a chain that still waits to be told to a contact is not added once more.
    """
    if not notices:
        return []
    given = [{**asdict(one), "attempt_id": _text(one.attempt_id)} for one in notices]
    cursor = await connection.execute(_SQL["add_notices"], {"notices": Jsonb(given)})
    return [row["id"] for row in await cursor.fetchall()]


async def add_resolved(connection: Connection, now: datetime) -> list[int]:
    """Add a notice per contact and resolved incident that it was told of; return the incidents.

    What was left out for a contact needs no end, nor does what an action tells. There is at most
    one per incident and contact.
    """
    cursor = await connection.execute(_SQL["add_resolved"], {"now": now})
    return [row["incident_id"] for row in await cursor.fetchall()]


async def waiting(database: Database, *, limit: int = 20_000) -> list[Waiting]:
    """Return what is not sent yet, critical first, then oldest."""
    rows = await database.fetch_all(_SQL["waiting_notices"], {"limit": limit})
    return [Waiting(**row) for row in rows]


async def last_sent(database: Database, contacts: Sequence[str]) -> dict[str, datetime]:
    """Return when contacts were told something last, without those that never were."""
    rows = await database.fetch_all(_SQL["last_sent"], {"contacts": list(contacts)})
    return {row["contact"]: row["sent_at"] for row in rows if row["sent_at"] is not None}


async def claim(
    database: Database, ids: Sequence[int], group_id: UUID, *, hub: str, lease: timedelta
) -> list[Notice]:
    """Claim notices for one message and return them; nothing when another hub has any of them.

    The claim holds for `lease`, by the clock of the database; each has one more attempt.
    """
    params = {"ids": list(ids), "group_id": group_id, "hub": hub, "lease": lease}
    async with database.transaction() as connection:
        rows = await (await connection.execute(_SQL["claim_notices"], params)).fetchall()
        if len(rows) < len(set(ids)):
            raise psycopg.Rollback
        cursor = await connection.execute(_SQL["claimed_notices"], {"group_id": group_id})
        return [Notice(**row) for row in await cursor.fetchall()]
    return []  # rolled back


async def record(
    connection: Connection,
    outcomes: Sequence[DeliveryOutcome],
    now: datetime,
    group_id: UUID | None = None,
) -> list[int]:
    """Note what became of notices, give their claim back and return which changed.

    Those that another hub claimed meanwhile change only when they were sent.
    """
    given = Jsonb([asdict(outcome) for outcome in outcomes])
    params = {"group_id": group_id, "outcomes": given, "now": now}
    rows = await (await connection.execute(_SQL["record_outcomes"], params)).fetchall()
    return [row["id"] for row in rows]


async def leave_out(
    connection: Connection, because: Sequence[tuple[int, str]], now: datetime
) -> list[int]:
    """Note that notices are not sent, each with why, and return those that still could be."""
    given = Jsonb([{"id": notice_id, "because": reason} for notice_id, reason in because])
    cursor = await connection.execute(_SQL["leave_out"], {"left_out": given, "now": now})
    return [row["id"] for row in await cursor.fetchall()]


async def take_back(connection: Connection, incident_id: int, why: str, now: datetime) -> None:
    """Leave out what waits to be told of the chain of an incident, unless it is being sent."""
    params = {"incident_id": incident_id, "why": why, "now": now}
    await connection.execute(_SQL["take_back_notices"], params)


async def leave_out_answered(connection: Connection, now: datetime) -> None:
    """Leave out the questions for later that nobody has to be asked any more."""
    await connection.execute(_SQL["leave_out_answered"], {"now": now})


async def ask_next(connection: Connection, ids: Sequence[int], now: datetime) -> list[Stranded]:
    """Have the next contacts asked at once where these notices ask and cannot be delivered.

    Return the questions that nobody was asked, and nobody is going to be.
    """
    cursor = await connection.execute(_SQL["hold_questions"], {"ids": list(ids)})
    open_ = {"attempts": [row["id"] for row in await cursor.fetchall()], "now": now}
    if not open_["attempts"]:
        return []
    await connection.execute(_SQL["hurry_questions"], open_)
    rows = await (await connection.execute(_SQL["stranded_questions"], open_)).fetchall()
    return [Stranded(**{**row, "contacts": row["contacts"] or []}) for row in rows]


async def list_newest(
    database: Database,
    *,
    incident_id: int | None = None,
    contact: str | None = None,
    limit: int = 50,
) -> list[Notice]:
    """Return notices, the newest first."""
    params = {"incident_id": incident_id, "contact": contact, "limit": limit}
    return [Notice(**row) for row in await database.fetch_all(_SQL["list_notices"], params)]


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)
