"""One incident per project and kind at a time, told apart, added to, explained, resolved."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from config.projects_file import ProjectSpec
from data import anomalies, events, incidents, projects
from data.anomalies import Finding
from data.database import Database
from data.incidents import IncidentUnknown, Opened, Problem, Solved
from data.states import DOWN, FLEET_UNREACHABLE

NOW = datetime.now(UTC)


def _problem(project: str | None, kind: str = DOWN, **changed: object) -> Problem:
    fields = {"severity": "warning", "title": f"{project} {kind}", "at": NOW, **changed}
    return Problem(project=project, kind=kind, **fields)  # type: ignore[arg-type]


async def _open(database: Database, *problems: Problem) -> list[Opened]:
    async with database.transaction() as connection:
        return await incidents.open_or_update(connection, problems)


async def test_a_second_problem_of_a_kind_is_added_to_the_open_incident(database: Database) -> None:
    (first,) = await _open(database, _problem("a"))
    (second,) = await _open(database, _problem("a", title="worse", severity="critical"))
    assert (first.opened, second.opened) == (True, False)
    assert second.id == first.id
    found = await incidents.find(database, first.id)
    assert (found.title, found.severity) == ("worse", "critical")


async def test_a_critical_incident_stays_critical(database: Database) -> None:
    (opened,) = await _open(database, _problem("a", severity="critical"))
    await _open(database, _problem("a"))
    assert (await incidents.find(database, opened.id)).severity == "critical"


async def test_adding_to_an_incident_uses_up_no_number(database: Database) -> None:
    (first,) = await _open(database, _problem("a"))
    for _ in range(5):
        await _open(database, _problem("a"))
    (next_one,) = await _open(database, _problem("b"))
    assert next_one.id == first.id + 1


async def test_after_it_is_resolved_the_next_problem_opens_a_new_one(database: Database) -> None:
    (first,) = await _open(database, _problem("a"))
    solved = Solved(project="a", kind=DOWN, at=NOW, resolution="healthy again")
    async with database.transaction() as connection:
        (resolved,) = await incidents.resolve(connection, [solved])
        assert await incidents.resolve(connection, [solved]) == []
    assert resolved.id == first.id
    (second,) = await _open(database, _problem("a"))
    assert second.opened
    assert second.id != first.id


async def test_an_outage_explains_what_depends_on_it_also_through_others(
    database: Database,
) -> None:
    await projects.sync_file(
        database,
        "default",
        [
            ProjectSpec(name="web", url="http://127.0.0.1:1", depends_on=("api",)),
            ProjectSpec(name="api", url="http://127.0.0.1:2", depends_on=("store",)),
            ProjectSpec(name="store", url="http://127.0.0.1:3"),
        ],
    )
    (cause,) = await _open(database, _problem("store"))
    await _open(database, _problem("web", "latency"))
    dependencies = await projects.dependencies(database)
    async with database.transaction() as connection:
        (suppressed,) = await incidents.suppress_dependents(connection, dependencies)
    assert (suppressed.project, suppressed.cause_id) == ("web", cause.id)


async def test_what_began_long_before_an_outage_is_not_explained_by_it(database: Database) -> None:
    await _open(database, _problem("web", at=NOW - timedelta(hours=1)), _problem("api"))
    async with database.transaction() as connection:
        assert await incidents.suppress_dependents(connection, {"web": ("api",)}) == []


async def test_the_fleet_incident_explains_the_outages_of_its_projects(database: Database) -> None:
    (fleet,) = await _open(database, _problem(None, FLEET_UNREACHABLE, hub="h"))
    await _open(database, _problem("a"), _problem("b"), _problem("b", "cpu"))
    async with database.transaction() as connection:
        suppressed = await incidents.suppress_by_fleet(connection, "h", ["a", "b"], NOW)
        assert await incidents.suppress_by_fleet(connection, "other", ["a", "b"], NOW) == []
    assert {(one.project, one.kind, one.cause_id) for one in suppressed} == {
        ("a", DOWN, fleet.id),
        ("b", DOWN, fleet.id),
    }


async def test_each_hub_has_a_fleet_incident_of_its_own(database: Database) -> None:
    await _open(database, _problem(None, FLEET_UNREACHABLE, hub="north"))
    solved = Solved(project=None, hub="south", kind=FLEET_UNREACHABLE, at=NOW, resolution="ok")
    async with database.transaction() as connection:
        assert await incidents.resolve(connection, [solved]) == []
    assert await incidents.fleet_incident_is_open(database, "north")
    assert not await incidents.fleet_incident_is_open(database, "south")


async def test_what_nobody_watches_any_more_is_closed(database: Database) -> None:
    spec = ProjectSpec(name="a", url="http://127.0.0.1:1")
    await projects.add(database, spec)
    await _open(database, _problem("a"), _problem("b"))
    async with database.transaction() as connection:
        assert await incidents.resolve_unwatched(connection) == []
    await projects.set_paused(database, "a", paused=True)
    async with database.transaction() as connection:
        (closed,) = await incidents.resolve_unwatched(connection)
    assert closed.project == "a"
    assert (await incidents.find(database, closed.id)).resolution == "no longer watched"
    assert (await projects.find(database, "a")).status == "unknown"


async def test_an_unknown_incident_is_named(database: Database) -> None:
    with pytest.raises(IncidentUnknown, match="there is no incident 404"):
        await incidents.find(database, 404)


def _finding(value: float) -> Finding:
    return Finding(
        project="a",
        kind="memory",
        metric="memory_percent",
        detector="threshold",
        direction="above",
        severity="warning",
        value=value,
        threshold=85.0,
        time_window=timedelta(seconds=60),
        reason=f"memory_percent above 85, now {value:g}",
        at=NOW,
    )


async def test_an_anomaly_begins_once_keeps_its_worst_and_ends_once(database: Database) -> None:
    async with database.transaction() as connection:
        (incident,) = await incidents.open_or_update(connection, [_problem("a", "memory")])
        first = _finding(90.0)
        assert await anomalies.begin(connection, [(first, incident.id)]) == [first.identity]
        assert await anomalies.begin(connection, [(first, incident.id)]) == []
        await anomalies.touch(connection, [_finding(97.0)])
        await anomalies.touch(connection, [_finding(88.0)])
    (held,) = await anomalies.open_in(database, ["a"])
    assert (held.value, held.extreme, held.time_window) == (88.0, 97.0, timedelta(seconds=60))
    async with database.transaction() as connection:
        assert await anomalies.settled(connection, [("a", "memory")]) == []
        (ended,) = await anomalies.end(connection, [held.identity], NOW)
        assert await anomalies.end(connection, [held.identity], NOW) == []
        assert await anomalies.settled(connection, [("a", "memory")]) == [("a", "memory")]
    assert ended.extreme == 97.0
    assert await events.of_incident(database, incident.id) == []


async def test_two_incidents_do_not_explain_each_other(database: Database) -> None:
    first, second = await _open(database, _problem("a"), _problem("b"))
    async with database.transaction() as connection:
        await incidents.suppress_by_incident(connection, first.id, [second.id])
        assert await incidents.suppress_dependents(connection, {"a": ["b"]}) == []


async def test_who_has_many_looked_at_waits_for_the_first_and_holds_none(
    database: Database,
) -> None:
    first, second = await _open(database, _problem("a"), _problem("b"))
    touch = "UPDATE incidents SET title = 'touched' WHERE id = %(id)s"
    await database.execute(touch, {"id": first.id})  # it now is behind the second in the table

    async def look_at_all() -> None:
        async with database.transaction() as connection:
            await incidents.look_at_all_again(connection)

    async with database.transaction() as connection:
        await connection.execute(touch, {"id": first.id})
        looking = asyncio.create_task(look_at_all())
        await asyncio.sleep(0.3)
        await connection.execute(touch, {"id": second.id})
    await looking


async def test_a_claim_that_ran_out_is_for_others_than_who_is_still_at_work(
    database: Database,
) -> None:
    (opened,) = await _open(database, _problem("a"))
    over = timedelta(seconds=-1)
    assert await incidents.claim_due(database, "h", lease=over, limit=9) == [opened.id]
    working = {opened.id}
    assert await incidents.claim_due(database, "h", lease=over, limit=9, without=working) == []
    assert await incidents.claim_due(database, "other", lease=over, limit=9) == [opened.id]
