"""Attempts: one try of one action each, moved from state to state with a guard and an audit row."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from config.action_spec import Risk
from config.errors import OpsloreError
from data import audit_chain
from data.audit_chain import NewEntry
from data.database import Connection, Database
from data.named_sql import read_queries
from data.states import AttemptState, Purpose

_SQL = read_queries("attempts")

Refusal = Literal["gone", "brake", "busy", "rate_limited", "blast_radius"]

TRANSITIONS: Final[Mapping[AttemptState, frozenset[AttemptState]]] = {
    "pending": frozenset({"approved", "rejected", "expired"}),
    "approved": frozenset({"executing", "expired"}),
    "executing": frozenset({"verifying", "completed", "failed", "unknown"}),
    "verifying": frozenset({"completed", "failed"}),
    "unknown": frozenset({"completed", "failed"}),
    "completed": frozenset({"rolled_back"}),
    "failed": frozenset({"rolled_back"}),
    "rejected": frozenset(),
    "expired": frozenset(),
    "rolled_back": frozenset(),
}
UNFINISHED: Final = frozenset({"pending", "approved", "executing", "verifying", "unknown"})


class AttemptUnknown(OpsloreError):
    """There is no such attempt."""


class AttemptDecided(OpsloreError):
    """The attempt no longer waits for a decision."""


class ForbiddenMove(OpsloreError):
    """An attempt does not go from this state to that one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAttempt:
    """An attempt to ask for; it waits for approval while `state` is pending.

    `plan` is what its rule wants after the effect, as JSON, so that a rule that is edited
    meanwhile does not change what was begun. `expires_after` counts from the request.
    """

    id: UUID
    incident_id: int | None
    project: str
    action: str
    risk: Risk
    purpose: Purpose
    state: Literal["pending", "approved"]
    requested_by: str
    reason: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    number: int = 1
    undoes: UUID | None = None
    rule: str | None = None
    rules_version: str | None = None
    plan: Mapping[str, Any] = field(default_factory=dict)
    dry_run: bool = False
    expires_after: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A recorded attempt; its `id` is the idempotency key that is sent along."""

    id: UUID
    incident_id: int | None
    project: str
    action: str
    parameters: Mapping[str, Any]
    risk: Risk
    purpose: Purpose
    number: int
    undoes: UUID | None
    rule: str | None
    rules_version: str | None
    plan: Mapping[str, Any]
    dry_run: bool
    state: AttemptState
    requested_at: datetime
    requested_by: str
    reason: str
    expires_at: datetime | None
    decided_at: datetime | None
    decided_by: str | None
    decision_reason: str | None
    hub: str | None
    executing_at: datetime | None
    executing_until: datetime | None
    effect_at: datetime | None
    verify_until: datetime | None
    finished_at: datetime | None
    succeeded: bool | None
    permanent: bool
    outcome: str | None

    @property
    def is_finished(self) -> bool:
        return self.state not in UNFINISHED


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """The limits that hold at the moment an attempt begins; those of `hub.yaml`."""

    actions: int
    actions_within: timedelta
    projects: int
    projects_within: timedelta


async def request(connection: Connection, new: NewAttempt) -> Attempt | None:
    """Record a new attempt; None when one that is not finished is in the way.

    In the way is another attempt in the same incident, and the same action of the same project.
    """
    values = {name: getattr(new, name) for name in NewAttempt.__dataclass_fields__}
    values |= {"parameters": Jsonb(new.parameters), "plan": Jsonb(new.plan)}
    row = await _one(connection, "request_attempt", values)
    if row is None:
        return None
    attempt = Attempt(**row)
    await _audit(connection, attempt, None, actor=new.requested_by, reason=new.reason)
    return attempt


async def decide(
    connection: Connection, attempt_id: UUID, *, approve: bool, by: str, reason: str
) -> Attempt:
    """Approve or reject what waits for it.

    Raises:
        AttemptUnknown: there is none of this id.
        AttemptDecided: somebody else was first, it ran out, or it never needed approval.
    """
    to_state: AttemptState = "approved" if approve else "rejected"
    values = {"id": attempt_id, "to_state": to_state, "by": by, "reason": reason}
    row = await _one(connection, "decide_attempt", values)
    if row is None:
        raise await _not_decidable(connection, attempt_id)
    attempt = Attempt(**row)
    await _audit(connection, attempt, "pending", actor=by, reason=reason)
    return attempt


async def begin(
    connection: Connection,
    attempt_id: UUID,
    hub: str,
    *,
    timeout: timedelta,
    allowance: Allowance | None,
) -> Attempt | Refusal:
    """Mark an approved attempt as being executed, or return what keeps it from beginning.

    One attempt begins at a time in all hubs, so the limits of `allowance` hold for all of them
    together and nothing begins after the brake was pulled. None sets no limits.
    """
    await connection.execute(_SQL["queue_to_begin"])
    window = timedelta()
    looked = await _one(
        connection,
        "look_before_beginning",
        {
            "id": attempt_id,
            "rate_within": allowance.actions_within if allowance else window,
            "blast_within": allowance.projects_within if allowance else window,
        },
    )
    if refusal := _refusal(looked, allowance):
        return refusal
    row = await _one(
        connection, "begin_attempt", {"id": attempt_id, "hub": hub, "timeout": timeout}
    )
    assert row is not None
    attempt = Attempt(**row)
    await _audit(connection, attempt, "approved", actor=hub, reason="begins")
    return attempt


async def move(
    connection: Connection,
    attempt_id: UUID,
    from_state: AttemptState,
    to_state: AttemptState,
    *,
    actor: str,
    reason: str,
    outcome: str | None = None,
    permanent: bool = False,
    verify_within: timedelta | None = None,
) -> Attempt | None:
    """Move an attempt on and return it; None when it no longer is in `from_state`.

    Raises:
        ForbiddenMove: TRANSITIONS does not have this move.
    """
    if to_state not in TRANSITIONS[from_state]:
        raise ForbiddenMove(f"an attempt does not go from {from_state} to {to_state}")
    row = await _one(
        connection,
        "move_attempt",
        {
            "id": attempt_id,
            "from_state": from_state,
            "to_state": to_state,
            "outcome": outcome,
            "permanent": permanent,
            "verify_within": verify_within,
        },
    )
    if row is None:
        return None
    attempt = Attempt(**row)
    await _audit(connection, attempt, from_state, actor=actor, reason=reason)
    return attempt


async def find(database: Database, attempt_id: UUID) -> Attempt:
    """Return one attempt.

    Raises:
        AttemptUnknown: there is none of this id.
    """
    row = await database.fetch_one(_SQL["find_attempt"], {"id": attempt_id})
    if row is None:
        raise AttemptUnknown(f"there is no attempt {attempt_id}")
    return Attempt(**row)


async def find_by_prefix(database: Database, prefix: str) -> Attempt:
    """Return the one attempt whose id begins with `prefix`.

    Raises:
        AttemptUnknown: there is none, or more than one.
    """
    rows = await database.fetch_all(_SQL["find_attempts_by_prefix"], {"prefix": prefix.lower()})
    if len(rows) != 1:
        how_many = "more than one attempt" if rows else "no attempt"
        raise AttemptUnknown(f"{how_many} begins with {prefix}; `opslore actions list` shows them")
    return Attempt(**rows[0])


async def of_incident(connection: Connection, incident_id: int) -> list[Attempt]:
    """Return every attempt in one incident, in order."""
    cursor = await connection.execute(_SQL["attempts_of_incident"], {"incident_id": incident_id})
    return [Attempt(**row) for row in await cursor.fetchall()]


async def list_newest(
    database: Database,
    *,
    project: str | None = None,
    state: AttemptState | None = None,
    limit: int = 50,
) -> list[Attempt]:
    """Return attempts, the newest first."""
    params = {"project": project, "state": state, "limit": limit}
    return [Attempt(**row) for row in await database.fetch_all(_SQL["list_attempts"], params)]


async def approved_by_hand(database: Database, *, limit: int = 100) -> list[Attempt]:
    """Return what people asked for and no hub has begun."""
    rows = await database.fetch_all(_SQL["approved_by_hand"], {"limit": limit})
    return [Attempt(**row) for row in rows]


async def overdue_by_hand(database: Database) -> list[Attempt]:
    """Return what people asked for and whose time is over, in whatever state it is stuck."""
    return [Attempt(**row) for row in await database.fetch_all(_SQL["overdue_by_hand"])]


def _refusal(looked: DictRow | None, allowance: Allowance | None) -> Refusal | None:
    if looked is None or looked["state"] != "approved" or looked["is_over"]:
        return "gone"
    if looked["stopped"]:
        return "brake"
    if looked["busy"]:
        return "busy"
    if allowance and looked["acted"] >= allowance.actions:
        return "rate_limited"
    if allowance and looked["others"] >= allowance.projects:
        return "blast_radius"
    return None


async def _not_decidable(connection: Connection, attempt_id: UUID) -> OpsloreError:
    row = await _one(connection, "find_attempt", {"id": attempt_id})
    if row is None:
        return AttemptUnknown(f"there is no attempt {attempt_id}")
    attempt = Attempt(**row)
    if attempt.state == "pending":
        return AttemptDecided("the request for approval has run out")
    by = f" by {attempt.decided_by}" if attempt.decided_by else ""
    decided = f" at {attempt.decided_at:%Y-%m-%d %H:%M:%S} UTC" if attempt.decided_at else ""
    return AttemptDecided(f"this was decided already{by}{decided}: it is {attempt.state}")


async def _audit(
    connection: Connection,
    attempt: Attempt,
    from_state: AttemptState | None,
    *,
    actor: str,
    reason: str,
) -> None:
    details = {
        "parameters": attempt.parameters,
        "purpose": attempt.purpose,
        "number": attempt.number,
        "rule": attempt.rule,
        "rules_version": attempt.rules_version,
        "dry_run": attempt.dry_run,
        "undoes": str(attempt.undoes) if attempt.undoes else None,
        "outcome": attempt.outcome,
    }
    entry = NewEntry(
        action_id=attempt.id,
        project=attempt.project,
        incident_id=attempt.incident_id,
        action=attempt.action,
        from_state=from_state,
        to_state=attempt.state,
        actor=actor,
        reason=reason,
        details={name: value for name, value in details.items() if value is not None},
    )
    await audit_chain.append(connection, [entry])


async def _one(connection: Connection, query: str, params: Mapping[str, Any]) -> DictRow | None:
    return await (await connection.execute(_SQL[query], params)).fetchone()
