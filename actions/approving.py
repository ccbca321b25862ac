"""Decide what waits for approval: from the command line, a link, or a page, it is the same."""

from datetime import UTC, datetime
from uuid import UUID

from data import attempts, events, incidents
from data.attempts import Attempt
from data.database import Database
from data.events import NewEvent


async def decide(
    database: Database, attempt_id: UUID, *, approve: bool, by: str, reason: str
) -> Attempt:
    """Approve or reject an attempt; a hub goes on with its incident at once.

    Of several people who decide at the same time one decides.

    Raises:
        AttemptUnknown: there is none of this id.
        AttemptDecided: it does not wait for a decision any more; the message says since when.
    """
    async with database.transaction() as connection:
        attempt = await attempts.decide(
            connection, attempt_id, approve=approve, by=by, reason=reason
        )
        if attempt.incident_id is not None:
            await incidents.look_at_one_again(connection, attempt.incident_id)
        await events.append(connection, [_decided(attempt, by, reason)])
    return attempt


def _decided(attempt: Attempt, by: str, reason: str) -> NewEvent:
    verb = "approved" if attempt.state == "approved" else "rejected"
    return NewEvent(
        occurred_at=attempt.decided_at or datetime.now(UTC),
        hub=by,
        agent="approvals",
        kind="ApprovalDecided",
        severity="info",
        project=attempt.project,
        incident_id=attempt.incident_id,
        message=f"{by} {verb} {attempt.action} {attempt.project}"
        + (f": {reason}" if reason else ""),
        details={
            "attempt_id": str(attempt.id),
            "action": attempt.action,
            "approved": attempt.state == "approved",
            "by": by,
            "reason": reason,
        },
    )
