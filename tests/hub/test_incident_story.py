"""An incident's story says who was told, who could not be and who is still to be."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from config.escalation import EscalationStep
from data import escalations, incidents, notices
from data.database import Database
from data.escalations import Moved
from data.incidents import Problem
from data.notices import DeliveryOutcome, NewNotice
from data.states import DOWN
from hub.commands import incident_story

NOW = datetime.now(UTC)
CHAIN = tuple(EscalationStep(notify=name) for name in ("oncall", "lead", "ghost", "boss"))


async def _told(database: Database) -> int:
    """Tell four contacts: one is reached, one refuses, one is unknown, one is still to be told."""
    problem = Problem(project="a", kind=DOWN, severity="warning", title="a is down", at=NOW)
    async with database.transaction() as connection:
        (opened,) = await incidents.open_or_update(connection, [problem])
        await escalations.start(
            connection, opened.id, CHAIN, subject="s", body="b", severity="warning", at=NOW
        )
        moved = Moved(incident_id=opened.id, chain=CHAIN, reached=[0, 1, 2, 3], next_at=None)
        await escalations.move(connection, [moved], NOW)
        new = [_notice(step.notify, opened.id) for step in CHAIN]
        oncall, lead, ghost, _ = await notices.add(connection, new)
    lease = timedelta(minutes=1)
    await notices.claim(database, [oncall, lead], uuid4(), hub="h", lease=lease)
    async with database.transaction() as connection:
        outcomes = [
            DeliveryOutcome(id=oncall, outcome="given_up", error="500 Internal Server Error"),
            DeliveryOutcome(id=lead, outcome="sent"),
        ]
        await notices.record(connection, [outcomes[1]], NOW)
        await notices.leave_out(connection, [(ghost, "there is no contact ghost")], NOW)
    await database.execute("UPDATE notices SET leased_until = now() - interval '1 second'")
    async with database.transaction() as connection:
        await notices.record(connection, outcomes, NOW)
    return opened.id


def _notice(contact: str, incident_id: int) -> NewNotice:
    return NewNotice(
        contact=contact,
        purpose="escalation",
        severity="warning",
        subject="s",
        incident_id=incident_id,
        due_at=NOW,
    )


async def test_only_who_was_reached_is_said_to_be_told(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    incident_story.print_story(await incident_story.load(database, await _told(database)))
    said = " ".join(capsys.readouterr().out.split())
    assert ": told lead; not reached: " in said
    assert "oncall (500 Internal Server Error)" in said
    assert "ghost (there is no contact ghost)" in said
    assert "; waiting: boss; nobody else is to be told" in said
