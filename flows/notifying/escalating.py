"""Take chains to their next step: what is due becomes notices, in one transaction."""

from collections.abc import Container, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from actions.notification.levels import Progress, advance
from config.escalation import EscalationStep
from data import escalations, events, notices
from data.database import Database
from data.escalations import Escalation, Moved
from data.events import NewEvent
from data.notices import NewNotice

AGENT = "notifier"


class Escalating:
    """Takes the chains of a database to their next step, by the contacts that a hub knows.

    `fallback` are the steps of the default chain whose contact is known: they are told where a
    chain names nobody who is.
    """

    def __init__(
        self,
        database: Database,
        hub: str,
        contacts: Container[str],
        default_chain: Sequence[EscalationStep],
    ) -> None:
        self.fallback = tuple(step for step in default_chain if step.notify in contacts)
        self._database = database
        self._hub = hub
        self._contacts = contacts

    async def look(self, now: datetime) -> int:
        """Stop the chains of what is resolved, advance the others, return how many notices came.

        1. Nobody is asked any more what is decided.
        2. Chains of resolved incidents stop, and everybody who was told gets a notice of the end.
        3. A chain that names nobody who is known becomes the fallback.
        4. Each step that is due becomes a notice, and one above the first an event.
        """
        async with self._database.transaction() as connection:
            await notices.leave_out_answered(connection, now)
            await escalations.stop_resolved(connection, now)
            ended = await notices.add_resolved(connection, now)
            held = await escalations.hold_due(connection, now)
            kept = [self._known(one) for one in held]
            due = [(one, _progress(one, now)) for one in kept]
            made = [notice for one, progress in due for notice in _notices(one, progress, now)]
            await notices.add(connection, made)
            await events.append(connection, list(self._events(held, due, now)))
            moved = [_moved(one, progress) for one, progress in due]
            await escalations.move(connection, moved, now)
        return len(ended) + len(made)

    def _known(self, one: Escalation) -> Escalation:
        if not self.fallback or any(step.notify in self._contacts for step in one.chain):
            return one
        return replace(one, chain=self.fallback, reached=[], advanced_at=None)

    def _events(
        self,
        held: Sequence[Escalation],
        due: Sequence[tuple[Escalation, Progress]],
        now: datetime,
    ) -> Iterator[NewEvent]:
        for before, (one, progress) in zip(held, due, strict=True):
            if one is not before:
                yield _replaced(self._hub, before, one, now)
            yield from _next_steps(self._hub, one, progress, now)


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


def _next_steps(hub: str, one: Escalation, progress: Progress, now: datetime) -> Iterator[NewEvent]:
    """Return the events of new steps; the first is none, for who began the chain told of that."""
    for position in progress.due if one.reached else ():
        if position in one.reached:
            continue
        contact = one.chain[position].notify
        yield NewEvent(
            occurred_at=now,
            hub=hub,
            agent=AGENT,
            kind="Escalated",
            severity=one.severity,
            project=one.project,
            incident_id=one.incident_id,
            message=f"incident {one.incident_id} is due to be told to {contact},"
            f" step {position + 1} of {len(one.chain)}",
            details={"contact": contact, "step": position + 1},
        )


def _replaced(hub: str, before: Escalation, one: Escalation, now: datetime) -> NewEvent:
    unknown = ", ".join(dict.fromkeys(step.notify for step in before.chain))
    why = f"the hub file has no contact {unknown}" if unknown else "its chain was empty"
    return NewEvent(
        occurred_at=now,
        hub=hub,
        agent=AGENT,
        kind="NoticeFailed",
        severity="warning",
        project=one.project,
        incident_id=one.incident_id,
        message=f"incident {one.incident_id} is told as healing.escalate says: {why}",
        details={"contacts": [step.notify for step in before.chain]},
    )


def _moved(one: Escalation, progress: Progress) -> Moved:
    return Moved(
        incident_id=one.incident_id,
        chain=one.chain,
        reached=progress.reached,
        next_at=progress.next_at,
    )
