"""One chain per incident: it starts once, goes on, and stops when somebody has the incident."""

from datetime import UTC, datetime, timedelta

import pytest

from config.escalation import EscalationStep
from config.projects_file import validate_project
from data import escalations, events, incidents, projects, silences
from data.database import Database
from data.escalations import Escalation, Moved
from data.incidents import IncidentUnknown, Problem, Solved
from data.records import Severity
from data.silences import NewSilence
from data.states import DOWN

NOW = datetime.now(UTC)
CHAIN = (
    EscalationStep(notify="oncall", repeat=timedelta(minutes=10)),
    EscalationStep(notify="lead", after=timedelta(minutes=5), severity="critical"),
)


async def _incident(database: Database, project: str = "a") -> int:
    problem = Problem(project=project, kind=DOWN, severity="warning", title="down", at=NOW)
    async with database.transaction() as connection:
        (opened,) = await incidents.open_or_update(connection, [problem])
    return opened.id


async def _start(
    database: Database,
    incident: int,
    chain: tuple[EscalationStep, ...] = CHAIN,
    severity: Severity = "warning",
) -> bool:
    async with database.transaction() as connection:
        return await escalations.start(
            connection, incident, chain, subject="down", body="why", severity=severity, at=NOW
        )


async def _due(database: Database, now: datetime = NOW) -> list[Escalation]:
    async with database.transaction() as connection:
        return await escalations.hold_due(connection, now)


async def test_a_chain_is_recorded_as_it_was_given(database: Database) -> None:
    incident = await _incident(database)
    assert await _start(database, incident)
    (due,) = await _due(database)
    assert (due.incident_id, due.project, due.chain) == (incident, "a", CHAIN)
    assert (due.reached, due.advanced_at, due.started_at) == ([], None, NOW)


async def test_starting_twice_is_one_chain(database: Database) -> None:
    incident = await _incident(database)
    await _start(database, incident)
    assert not await _start(database, incident, ())
    assert [one.chain for one in await _due(database)] == [CHAIN]


async def test_a_chain_that_runs_takes_over_a_higher_severity(database: Database) -> None:
    incident = await _incident(database)
    await _start(database, incident)
    assert not await _start(database, incident, severity="critical")
    assert not await _start(database, incident, severity="info")
    assert [one.severity for one in await _due(database)] == ["critical"]


async def test_a_chain_that_runs_says_what_it_was_told_last(database: Database) -> None:
    incident = await _incident(database)
    await _start(database, incident)
    async with database.transaction() as connection:
        await escalations.start(
            connection, incident, CHAIN, subject="new", body="newest", severity="info", at=NOW
        )
    assert [(one.subject, one.body) for one in await _due(database)] == [("new", "newest")]


@pytest.mark.parametrize(
    ("of", "is_held"),
    [
        ({"project": "a"}, True),
        ({"tag": "web"}, True),
        ({"kind": DOWN, "tag": "web"}, True),
        ({"project": "b"}, False),
        ({"tag": "db"}, False),
        ({"project": "a", "kind": "cpu"}, False),
    ],
)
async def test_a_silence_holds_back_the_chains_that_it_covers(
    database: Database, of: dict[str, str], is_held: bool
) -> None:
    spec = validate_project({"name": "a", "url": "http://127.0.0.1:1", "tags": ["web"]})
    await projects.add(database, spec)
    await _start(database, await _incident(database))
    until = NOW + timedelta(hours=1)
    new = NewSilence(starts_at=NOW, ends_at=until, reason="known", created_by="ann", **of)
    await silences.add(database, new)
    assert (await _due(database) == []) == is_held
    assert (await escalations.next_at(database) is None) == is_held


async def test_a_chain_goes_on_from_where_it_was(database: Database) -> None:
    incident = await _incident(database)
    await _start(database, incident)
    later = NOW + timedelta(minutes=10)
    async with database.transaction() as connection:
        await escalations.hold_due(connection, NOW)
        moved = Moved(incident_id=incident, chain=CHAIN, reached=[0], next_at=later)
        await escalations.move(connection, [moved], NOW)
    assert await _due(database) == []
    assert await escalations.next_at(database) == later
    (due,) = await _due(database, later)
    assert (due.reached, due.advanced_at) == ([0], NOW)


async def test_a_chain_that_one_hub_works_on_no_other_sees(database: Database) -> None:
    await _start(database, await _incident(database))
    async with database.transaction() as connection:
        assert len(await escalations.hold_due(connection, NOW)) == 1
        assert await _due(database) == []


async def test_acknowledging_stops_the_chain_and_is_an_event(database: Database) -> None:
    incident = await _incident(database)
    await _start(database, incident)
    assert await escalations.acknowledge(database, incident, by="ann", reason="on it")
    assert await _due(database) == []
    assert await escalations.next_at(database) is None
    stopped = await escalations.find(database, incident)
    assert stopped is not None
    assert (stopped.stop_reason, stopped.stopped_by) == ("acknowledged", "ann")
    assert (await incidents.find(database, incident)).acknowledged_by == "ann"
    (event,) = await events.of_incident(database, incident)
    assert (event.kind, event.message) == (
        "IncidentAcknowledged",
        f"ann takes care of incident {incident}: on it",
    )


async def test_an_incident_without_a_chain_can_be_acknowledged_too(database: Database) -> None:
    incident = await _incident(database)
    assert await escalations.acknowledge(database, incident, by="ann", reason=None)


async def test_acknowledging_twice_changes_nothing(database: Database) -> None:
    incident = await _incident(database)
    await escalations.acknowledge(database, incident, by="ann", reason=None)
    assert not await escalations.acknowledge(database, incident, by="bob", reason=None)
    assert (await incidents.find(database, incident)).acknowledged_by == "ann"


async def test_an_acknowledged_chain_is_not_started_again(database: Database) -> None:
    incident = await _incident(database)
    await _start(database, incident)
    await escalations.acknowledge(database, incident, by="ann", reason=None)
    assert not await _start(database, incident, severity="critical")
    assert await _due(database) == []


async def test_an_incident_that_does_not_exist_cannot_be_acknowledged(database: Database) -> None:
    with pytest.raises(IncidentUnknown, match="there is no incident 7"):
        await escalations.acknowledge(database, 7, by="ann", reason=None)


async def test_a_resolved_incident_stops_its_chain(database: Database) -> None:
    incident = await _incident(database)
    await _start(database, incident)
    solved = Solved(project="a", kind=DOWN, at=NOW, resolution="healthy again")
    async with database.transaction() as connection:
        await incidents.resolve(connection, [solved])
    assert await _due(database) == []
    assert await escalations.next_at(database) is None
    async with database.transaction() as connection:
        assert await escalations.stop_resolved(connection, NOW) == [incident]
    assert not await escalations.acknowledge(database, incident, by="ann", reason=None)


async def test_a_chain_that_was_withdrawn_may_begin_anew(database: Database) -> None:
    incident = await _incident(database)
    await _start(database, incident)
    async with database.transaction() as connection:
        assert await escalations.withdraw(connection, incident, by="h", at=NOW)
        assert not await escalations.withdraw(connection, incident, by="h", at=NOW)
    assert await _due(database) == []
    assert await _start(database, incident)
    assert len(await _due(database)) == 1


async def test_the_next_step_can_be_hurried(database: Database) -> None:
    incident = await _incident(database)
    await _start(database, incident)
    async with database.transaction() as connection:
        await escalations.hold_due(connection, NOW)
        moved = Moved(incident_id=incident, chain=CHAIN, reached=[0], next_at=None)
        await escalations.move(connection, [moved], NOW)
        await escalations.hurry(connection, [incident], NOW)
    assert [one.hurried for one in await _due(database)] == [True]
