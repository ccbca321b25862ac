"""Take chains to their next step: what is due becomes notices, in one transaction."""

from collections.abc import Sequence
from datetime import datetime

from actions.notification.levels import Progress, advance
from data import escalations, events, notices
from data.database import Database
from data.escalations import Escalation, Moved
from data.events import NewEvent
from data.notices import NewNotice

AGENT = "notifier"


async def escalate(database: Database, hub: str, now: datetime) -> int:
    """Stop the chains of what is resolved, advance the others, return how many notices it made.

    1. Chains of resolved incidents stop, and everybody who was told gets a notice of the end.
    2. Each step that is due becomes a notice and an event.
    """
    async with database.transaction() as connection:
        await escalations.stop_resolved(connection, now)
        ended = await notices.add_resolved(connection, now)
        due = [(one, _progress(one, now)) for one in await escalations.hold_due(connection, now)]
        made = [notice for one, progress in due for notice in _notices(one, progress, now)]
        await notices.add(connection, made)
        await events.append(
            connection,
            [event for one, progress in due for event in _events(hub, one, progress, now)],
        )
        await escalations.move(connection, [_moved(one, progress) for one, progress in due], now)
    return len(ended) + len(made)


def _progress(one: Escalation, now: datetime) -> Progress:
    return advance(
        one.chain,
        one.severity,
        one.started_at,
        reached=one.reached,
        advanced_at=one.advanced_at,
        hurried=one.hurried,
        now=now,
    )


def _contacts(one: Escalation, progress: Progress) -> Sequence[str | None]:
    """Return whom to tell; for a chain without steps nobody, which is news itself."""
    if not one.chain:
        return [None] if one.advanced_at is None else []
    return [one.chain[position].notify for position in progress.due]


def _notices(one: Escalation, progress: Progress, now: datetime) -> list[NewNotice]:
    return [
        NewNotice(
            contact=contact,
            purpose="escalation",
            severity=one.severity,
            subject=one.subject,
            body=one.body,
            incident_id=one.incident_id,
            project=one.project,
            due_at=now,
        )
        for contact in _contacts(one, progress)
    ]


def _events(hub: str, one: Escalation, progress: Progress, now: datetime) -> list[NewEvent]:
    return [
        NewEvent(
            occurred_at=now,
            hub=hub,
            agent=AGENT,
            kind="Escalated",
            severity=one.severity,
            project=one.project,
            incident_id=one.incident_id,
            message=f"incident {one.incident_id} is told to {one.chain[position].notify},"
            f" step {position + 1} of {len(one.chain)}",
            details={
                "contact": one.chain[position].notify,
                "step": position + 1,
                "again": position in one.reached,
            },
        )
        for position in progress.due
    ]


def _moved(one: Escalation, progress: Progress) -> Moved:
    return Moved(incident_id=one.incident_id, reached=progress.reached, next_at=progress.next_at)
