"""What people asked for on the command line: carried out by whichever hub is first."""

from datetime import UTC, datetime

from data import attempts
from data.attempts import Attempt
from data.database import Database
from flows.healing import under_way
from flows.healing.means import Log, Means


async def waiting(database: Database) -> list[Attempt]:
    """Return what is to be begun, and what is stuck because its hub is gone."""
    begin = await attempts.approved_by_hand(database)
    return begin + await attempts.overdue_by_hand(database)


async def advance(means: Means, attempt: Attempt, log: Log) -> None:
    """Take one step of an attempt that no incident asked for.

    The move that begins it is guarded, so of several hubs one carries it out.
    """
    match attempt.state:
        case "approved":
            await under_way.begin(means, attempt, datetime.now(UTC), log)
        case "executing":
            await under_way.give_up_on(means, attempt, datetime.now(UTC))
        case "pending":
            await under_way.end(means, attempt, "expired", "nobody decided in time")
        case "unknown" | "verifying" if attempt.incident_id is None:
            await under_way.end(means, attempt, "failed", "nobody knows whether it had its effect")
        case _:
            pass  # the incident it belongs to takes it on
