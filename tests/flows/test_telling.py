"""What people are told and asked of an incident: what is so now, and nothing that grows old."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from actions.carrier import Carrier
from config.escalation import EscalationStep
from data import circumstances, escalations, notices
from data.circumstances import Circumstances
from data.database import Database
from flows.healing import telling
from flows.healing.deciding import Decision
from rules.policy import Verdict
from tests.flows.test_healing_steps import Steps
from tests.hosting import Hosting

HOUR = timedelta(hours=1)
QUARTER = timedelta(minutes=15)


@pytest.fixture
async def told(database: Database) -> AsyncIterator[Steps]:
    hosting = Hosting()
    await hosting.start()
    async with Carrier() as carrier:
        yield Steps(database, hosting, carrier)
    await hosting.stop()


async def _around(told: Steps, incident: int) -> Circumstances:
    async with told.database.connection() as connection:
        now = await circumstances.incident_now(connection, incident)
        assert now is not None
        return await circumstances.load(
            connection, now, horizon=HOUR, acts_within=HOUR, blast_within=HOUR, neighbours=()
        )


async def _escalate(told: Steps, incident: int, reason: str) -> bool:
    decision = Decision(verdict=Verdict(step="hold", reason=reason, rule=None), rules_version="v")
    around = await _around(told, incident)
    async with told.database.transaction() as connection:
        return await telling.escalate(connection, told.means(), around, decision)


async def _body(told: Steps, incident: int) -> str:
    chain = await escalations.find(told.database, incident)
    assert chain is not None
    return chain.body


async def test_while_the_brake_is_pulled_people_are_told_how_to_release_it(told: Steps) -> None:
    incident = await told.opened()
    await told.stop_acting(stopped=True)
    await _escalate(told, incident, "brake")
    body = await _body(told, incident)
    assert "A person is needed because the global brake is pulled." in body
    assert "Act: opslore resume-acting" in body
    assert "actions run" not in body


async def test_a_chain_that_runs_says_why_a_person_is_needed_now(told: Steps) -> None:
    incident = await told.opened()
    await told.stop_acting(stopped=True)
    assert await _escalate(told, incident, "brake")
    await told.stop_acting(stopped=False)
    assert not await _escalate(told, incident, "breaker_open")
    body = await _body(told, incident)
    assert "its circuit breaker is open" in body
    assert f"Act: opslore actions run a ACTION --incident {incident}" in body
    assert "brake" not in body


async def test_a_chain_that_is_paused_begins_anew(told: Steps) -> None:
    incident = await told.opened()
    await _escalate(told, incident, "breaker_open")
    decision = Decision(
        verdict=Verdict(step="suppress", reason="silenced", rule=None), rules_version="v"
    )
    around = await _around(told, incident)
    async with told.database.transaction() as connection:
        assert await telling.pause(connection, told.means(), around, decision)
        assert not await telling.pause(connection, told.means(), around, decision)
    assert await _escalate(told, incident, "breaker_open")


@pytest.mark.parametrize(
    ("chain", "asked"),
    [
        (
            [{"notify": "oncall"}, {"notify": "lead", "after": QUARTER}],
            [("oncall", timedelta()), ("lead", QUARTER)],
        ),
        ([{"notify": "lead", "after": QUARTER}], [("lead", timedelta())]),
        ([], [(None, timedelta())]),
    ],
)
async def test_approval_is_asked_for_up_the_chain_from_now_on(
    told: Steps, chain: list[dict[str, object]], asked: list[tuple[str | None, timedelta]]
) -> None:
    steps = tuple(EscalationStep.model_validate(step) for step in chain)
    told.settings = told.settings.model_copy(update={"escalate": steps})
    told.serve(autonomy="approve")
    await told.advance(await told.opened())
    questions = (await notices.list_newest(told.database))[::-1]
    first = questions[0].due_at
    assert [(one.contact, one.due_at - first) for one in questions] == asked
    expires_at = questions[0].expires_at
    assert expires_at is not None
    assert f"Decide until {expires_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}:" in questions[0].body
    assert first <= datetime.now(UTC)
