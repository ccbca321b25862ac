"""Escalations: whom an open incident is told, one after the other, until somebody has it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from psycopg.types.json import Jsonb

from config.escalation import EscalationStep
from data import events, notices
from data.database import Connection, Database
from data.events import NewEvent
from data.incidents import IncidentUnknown
from data.named_sql import read_queries
from data.records import Severity

_SQL = read_queries("escalations")

StopReason = Literal["acknowledged", "resolved", "withdrawn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """The chain of one incident and how far it went: `reached` are the steps that were told.

    `next_at` is when there is more to tell, None when nothing is to come.
    """

    incident_id: int
    project: str | None
    chain: tuple[EscalationStep, ...]
    severity: Severity
    subject: str
    body: str
    started_at: datetime
    reached: list[int]
    advanced_at: datetime | None
    next_at: datetime | None
    hurried: bool
    stopped_at: datetime | None
    stop_reason: StopReason | None
    stopped_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """How far the chain of an incident went, and when it goes on."""

    incident_id: int
    chain: Sequence[EscalationStep]
    reached: Sequence[int]
    next_at: datetime | None


async def start(
    connection: Connection,
    incident_id: int,
    chain: Sequence[EscalationStep],
    *,
    subject: str,
    body: str,
    severity: Severity,
    at: datetime,
) -> bool:
    """Begin the chain of an incident inside the caller's transaction; False when it has one.

    A chain that runs says from now on what is given here, and takes over a higher severity, so
    that steps for it are told too. One that was acknowledged stays so; one that was withdrawn
    begins anew. An empty chain is recorded as news that nobody is there to be told.
    """
    params = {
        "incident_id": incident_id,
        "chain": Jsonb(_steps(chain)),
        "severity": severity,
        "subject": subject,
        "body": body,
        "at": at,
    }
    if await (await connection.execute(_SQL["start_escalation"], params)).fetchone():
        return True
    await connection.execute(_SQL["worsen_escalation"], params)
    await refresh(connection, incident_id, subject=subject, body=body)
    return False


async def refresh(connection: Connection, incident_id: int, *, subject: str, body: str) -> None:
    """Let the chain of an incident, if one runs, say from now on what is given here."""
    params = {"incident_id": incident_id, "subject": subject, "body": body}
    await connection.execute(_SQL["refresh_escalation"], params)


async def withdraw(
    connection: Connection, incident_id: int, *, by: str, at: datetime, why: str = "not needed now"
) -> bool:
    """Stop the chain of an incident that needs nobody for now; it may be started again.

    What waits to be told of it is left out, with `why`. False when no chain runs.
    """
    stopped = await _stop(connection, incident_id, "withdrawn", by=by, at=at)
    if stopped:
        await notices.take_back(connection, incident_id, why, at)
    return stopped


async def acknowledge(database: Database, incident_id: int, *, by: str, reason: str | None) -> bool:
    """Note that somebody takes care of an open incident: nobody else is told of it.

    False when it was acknowledged or resolved before. Its end is told all the same.

    Raises:
        IncidentUnknown: no such incident.
    """
    at = datetime.now(UTC)
    values = {"incident_id": incident_id, "by": by, "at": at}
    async with database.transaction() as connection:
        row = await (await connection.execute(_SQL["acknowledge_incident"], values)).fetchone()
        if row is None:
            await _must_exist(connection, incident_id)
            return False
        await _stop(connection, incident_id, "acknowledged", by=by, at=at)
        event = _acknowledged(incident_id, row["project"], by, reason, at)
        await events.append(connection, [event])
    return True


async def hold_due(connection: Connection, now: datetime, *, limit: int = 500) -> list[Escalation]:
    """Return chains with something due; no other hub sees them until the transaction ends.

    What a silence covers at the moment is not among them.
    """
    params = {"now": now, "limit": limit}
    rows = await (await connection.execute(_SQL["due_escalations"], params)).fetchall()
    return [_escalation(row) for row in rows]


async def move(connection: Connection, moved: Sequence[Moved], now: datetime) -> None:
    """Note how far chains went, and of whom they consist now."""
    given = [
        {
            "incident_id": one.incident_id,
            "chain": _steps(one.chain),
            "reached": list(one.reached),
            "next_at": one.next_at,
        }
        for one in moved
    ]
    await connection.execute(_SQL["move_escalations"], {"moved": Jsonb(given), "now": now})


async def hurry(connection: Connection, incident_ids: Sequence[int], now: datetime) -> None:
    """Have the next step of these chains told now, because an earlier one cannot be told."""
    params = {"incident_ids": list(incident_ids), "now": now}
    await connection.execute(_SQL["hurry_escalations"], params)


async def stop_resolved(connection: Connection, now: datetime) -> list[int]:
    """Stop the chains of incidents that are over and return the incidents."""
    rows = await (await connection.execute(_SQL["stop_resolved"], {"now": now})).fetchall()
    return [row["incident_id"] for row in rows]


async def next_at(database: Database) -> datetime | None:
    """Return when the next step of any chain is due, None when none is."""
    row = await database.fetch_one(_SQL["next_escalation"])
    return row["next_at"] if row else None


async def find(database: Database, incident_id: int) -> Escalation | None:
    """Return the chain of an incident, None when it has none."""
    row = await database.fetch_one(_SQL["find_escalation"], {"incident_id": incident_id})
    return _escalation(row) if row else None


async def _stop(
    connection: Connection, incident_id: int, reason: StopReason, *, by: str, at: datetime
) -> bool:
    params = {"incident_id": incident_id, "reason": reason, "by": by, "at": at}
    cursor = await connection.execute(_SQL["stop_escalation"], params)
    return await cursor.fetchone() is not None


async def _must_exist(connection: Connection, incident_id: int) -> None:
    params = {"incident_id": incident_id}
    row = await (await connection.execute(_SQL["incident_exists"], params)).fetchone()
    if row is None or not row["found"]:
        raise IncidentUnknown(
            f"there is no incident {incident_id}; `opslore incidents list` shows them"
        )


def _acknowledged(
    incident_id: int, project: str | None, by: str, reason: str | None, at: datetime
) -> NewEvent:
    return NewEvent(
        occurred_at=at,
        hub=by,
        agent="escalations",
        kind="IncidentAcknowledged",
        severity="info",
        project=project,
        incident_id=incident_id,
        message=f"{by} takes care of incident {incident_id}" + (f": {reason}" if reason else ""),
        details={"by": by, "reason": reason},
    )


def _steps(chain: Sequence[EscalationStep]) -> list[dict[str, Any]]:
    return [step.model_dump(mode="json") for step in chain]


def _escalation(row: dict[str, Any]) -> Escalation:
    chain = tuple(EscalationStep.model_validate(step) for step in row["chain"])
    return Escalation(**{**row, "chain": chain})
