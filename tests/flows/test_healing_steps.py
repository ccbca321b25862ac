"""Steps of healing one by one: what stands in the record leads to what is done next."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from actions import approving
from actions.carrier import Carrier
from config.healing import HealingSettings, RetrySettings
from config.project_spec import ProjectSpec
from data import attempts, brake, events, incidents
from data.attempts import Attempt
from data.database import Database
from data.incidents import Problem, Solved
from data.states import DOWN
from flows.flow_runs.cycle import Cycle
from flows.healing import healer
from flows.healing.execution import Execution
from flows.healing.fleet import Fleet
from flows.healing.means import Look, Means
from flows.healing.responder import Responder
from rules.engine import Engine
from tests.hosting import Hosting, Received
from tests.rules.rule_texts import engine_of

SECOND = timedelta(seconds=1)
RULE = """
rules:
  - name: one
    when: {kind: down}
    then: {action: restart, verify: {within: 1s}}
    examples: [{given: {kind: down}, expect: run}]
"""
PAUSE = """
rules:
  - name: one
    when: {kind: down}
    then: {action: pause, verify: {within: 1s}, release: {action: resume, after: 1s}}
    examples: [{given: {kind: down}, expect: run}]
"""
UNDO = """
rules:
  - name: one
    when: {kind: down}
    then: {action: pause, retry: {max_attempts: 1}, verify: {within: 1s}, undo: true}
    examples: [{given: {kind: down}, expect: run}]
"""


class Steps:
    """One project behind a platform, one incident at a time, and nobody who takes its steps."""

    def __init__(self, database: Database, hosting: Hosting, carrier: Carrier) -> None:
        self.database = database
        self.hosting = hosting
        self._carrier = carrier
        self.rules: Engine = engine_of(RULE)
        self.settings = HealingSettings(
            grace=timedelta(), retry=RetrySettings(wait_initial=SECOND / 10)
        )
        self.specs: list[ProjectSpec] = []
        self.serve()

    def serve(self, **spec: Any) -> None:
        """Say something else of the project than that it is healed by itself."""
        declared = {
            **self.hosting.actions("a", "restart"),
            **self.hosting.actions("a", "pause", undo="resume"),
            **self.hosting.actions("a", "resume", undo="pause"),
        }
        listed = {"name": "a", "url": "http://a", "autonomy": "auto", "actions": declared, **spec}
        self.specs = [ProjectSpec.model_validate(listed)]

    async def opened(self, at: datetime | None = None) -> int:
        problem = Problem(
            project="a",
            kind=DOWN,
            severity="critical",
            title="a is down",
            at=at or datetime.now(UTC),
        )
        async with self.database.transaction() as connection:
            (incident,) = await incidents.open_or_update(connection, [problem])
        return incident.id

    async def resolved(self, resolution: str = "healthy again") -> None:
        solved = Solved(project="a", kind=DOWN, at=datetime.now(UTC), resolution=resolution)
        async with self.database.transaction() as connection:
            await incidents.resolve(connection, [solved])

    async def advance(self, incident_id: int) -> Look:
        return await healer.advance(self.means(), incident_id, lambda _: None)

    def means(self) -> Means:
        return Means(
            hub="h",
            database=self.database,
            fleet=Fleet(self.specs),
            engine=lambda: self.rules,
            execution=Execution("h", self.database, self._carrier, self.settings),
            settings=self.settings,
        )

    async def attempts(self) -> list[Attempt]:
        """Return every attempt, in order."""
        return (await attempts.list_newest(self.database))[::-1]

    async def stop_acting(self, *, stopped: bool) -> None:
        await brake.set_stopped(self.database, stopped=stopped, by="ann", reason="")

    async def age(self, by: timedelta) -> None:
        """Let everything have happened longer ago."""
        await self.database.execute(
            "UPDATE action_attempts SET requested_at = requested_at - %(by)s,"
            " decided_at = decided_at - %(by)s, expires_at = expires_at - %(by)s,"
            " verify_until = verify_until - %(by)s",
            {"by": by},
        )

    async def told(self, kind: str) -> list[str]:
        return [event.message for event in await events.latest(self.database, kind=kind)]


@pytest.fixture
async def steps(database: Database) -> AsyncIterator[Steps]:
    hosting = Hosting()
    await hosting.start()
    async with Carrier() as carrier:
        yield Steps(database, hosting, carrier)
    await hosting.stop()


async def held_back(steps: Steps) -> tuple[int, Attempt]:
    """Return an incident with an attempt that is approved and kept from beginning."""
    number = await steps.opened()

    await steps.database.execute(
        "CREATE FUNCTION pull() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN UPDATE brake SET stopped = true; RETURN NULL; END'"
    )
    await steps.database.execute(
        "CREATE TRIGGER pull AFTER INSERT ON action_attempts EXECUTE FUNCTION pull()"
    )
    await steps.advance(number)
    await steps.database.execute("DROP TRIGGER pull ON action_attempts")
    (attempt,) = await steps.attempts()
    assert attempt.state == "approved"
    return number, attempt


@pytest.mark.parametrize("approve", [True, False])
async def test_a_rehearsal_asks_for_approval_once(steps: Steps, approve: bool) -> None:
    steps.serve(autonomy="approve")
    steps.settings = steps.settings.model_copy(update={"dry_run": True})
    number = await steps.opened()
    await steps.advance(number)
    (asked,) = await steps.attempts()
    await approving.decide(steps.database, asked.id, approve=approve, by="ann", reason="")
    await steps.advance(number)
    assert len(await steps.attempts()) == 1
    assert len(await steps.told("Escalated")) == 1


async def test_what_was_rehearsed_is_done_once_the_hub_is_in_earnest(steps: Steps) -> None:
    number = await steps.opened()
    earnest = steps.settings
    steps.settings = earnest.model_copy(update={"dry_run": True})
    await steps.advance(number)
    steps.settings = earnest
    await steps.advance(number)
    assert [one.action for one in steps.hosting.effects] == ["restart"]


async def test_an_approval_is_for_what_was_asked_and_not_for_what_the_rule_became(
    steps: Steps,
) -> None:
    steps.serve(autonomy="approve")
    number = await steps.opened()
    await steps.advance(number)
    (asked,) = await steps.attempts()
    await approving.decide(steps.database, asked.id, approve=True, by="ann", reason="")
    await steps.advance(number)
    await steps.age(SECOND * 20)
    await steps.advance(number)
    await asyncio.sleep(0.1)
    steps.rules = engine_of(RULE.replace("restart", "pause"))
    await steps.advance(number)
    assert [one.action for one in steps.hosting.effects] == ["restart"]
    assert [(one.action, one.state) for one in await steps.attempts()] == [
        ("restart", "failed"),
        ("pause", "pending"),
    ]


async def test_what_waited_too_long_is_tried_again_and_not_called_unapproved(steps: Steps) -> None:
    number, _ = await held_back(steps)
    await steps.age(timedelta(hours=1))
    await steps.advance(number)
    await steps.stop_acting(stopped=False)
    await steps.advance(number)
    assert [one.state for one in await steps.attempts()] == ["expired", "verifying"]


async def test_what_is_to_be_left_alone_by_now_is_not_acted_on(steps: Steps) -> None:
    number, _ = await held_back(steps)
    steps.serve(autonomy="observe")
    await steps.stop_acting(stopped=False)
    await steps.advance(number)
    assert steps.hosting.received == []


@pytest.mark.parametrize("resolution", ["no longer watched", "went down"])
async def test_what_ended_otherwise_was_not_helped(steps: Steps, resolution: str) -> None:
    number = await steps.opened()
    await steps.advance(number)
    await steps.resolved(resolution)
    await steps.advance(number)
    (attempt,) = await steps.attempts()
    assert (attempt.state, attempt.succeeded) == ("failed", False)


async def test_what_is_released_is_not_released_again_by_a_hub_that_finds_it_half_noted(
    steps: Steps,
) -> None:
    steps.rules = engine_of(PAUSE)
    number = await steps.opened()
    await steps.advance(number)
    await steps.resolved()
    await steps.advance(number)
    await asyncio.sleep(1.1)
    await steps.advance(number)
    paused, resumed = await steps.attempts()
    assert (paused.state, resumed.state) == ("rolled_back", "completed")
    await steps.database.execute("UPDATE action_attempts SET state = 'completed'")
    await steps.advance(number)
    assert [one.action for one in steps.hosting.effects] == ["pause", "resume"]
    assert (await attempts.find(steps.database, paused.id)).state == "rolled_back"


async def test_a_release_of_which_nobody_knows_is_made_again(steps: Steps) -> None:
    steps.rules = engine_of(PAUSE)
    number = await steps.opened()
    await steps.advance(number)
    await steps.resolved()
    await asyncio.sleep(1.1)
    await steps.advance(number)
    _, resumed = await steps.attempts()
    await steps.database.execute(
        "UPDATE action_attempts SET state = 'completed', succeeded = true WHERE purpose = 'heal'"
    )
    await steps.database.execute(
        "UPDATE action_attempts SET state = 'unknown', finished_at = NULL WHERE id = %(id)s",
        {"id": resumed.id},
    )
    await steps.advance(number)
    assert [one.state for one in await steps.attempts()] == ["rolled_back", "failed", "completed"]


async def test_a_person_is_told_while_the_brake_keeps_an_undo(steps: Steps) -> None:
    steps.rules = engine_of(UNDO)
    number = await steps.opened()
    await steps.advance(number)
    await steps.stop_acting(stopped=True)
    await steps.age(SECOND * 20)
    await steps.advance(number)
    assert len(await steps.told("Escalated")) == 1
    await steps.stop_acting(stopped=False)
    await steps.advance(number)
    assert [one.action for one in steps.hosting.effects] == ["pause", "resume"]


async def test_no_next_attempt_begins_while_the_last_one_may_be_under_way(steps: Steps) -> None:
    number = await steps.opened()
    await steps.advance(number)
    await steps.database.execute(
        "UPDATE action_attempts SET state = 'executing',"
        " executing_until = clock_timestamp() + interval '9 minutes'"
    )
    look = await steps.advance(number)
    assert look is not None
    assert look > timedelta(minutes=8)


async def test_nothing_begins_in_an_incident_that_is_over(steps: Steps) -> None:
    _, attempt = await held_back(steps)
    await steps.stop_acting(stopped=False)
    await steps.resolved()
    async with steps.database.transaction() as connection:
        refused = await attempts.begin(connection, attempt.id, "h", timeout=SECOND, allowance=None)
    assert refused == "gone"


async def test_an_action_goes_on_while_postgres_is_away(steps: Steps, database_url: str) -> None:
    async def break_connections(_: Received) -> None:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        await asyncio.sleep(0.5)

    steps.hosting.before = break_connections
    steps.rules = engine_of(RULE.replace("1s", "9s"))
    await steps.opened()
    wake, registry = asyncio.Event(), asyncio.Event()
    responder = Responder("h", steps.means(), cycle=3 * SECOND, events=wake, registry=registry)
    started_at = datetime.now(UTC)
    await responder.handle(
        Cycle(agent=responder.name, hub="h", started_at=started_at, name="respond")
    )
    await responder.stop()
    assert responder.errors > 0
    assert [one.action for one in steps.hosting.effects] == ["restart"]
    assert [(one.state, one.outcome) for one in await steps.attempts()] == [
        ("verifying", "answered 200")
    ]


async def test_a_person_is_told_of_what_cannot_be_released_any_more(steps: Steps) -> None:
    steps.rules = engine_of(PAUSE)
    number = await steps.opened()
    await steps.advance(number)
    await steps.resolved()
    await asyncio.sleep(1.1)
    steps.serve(actions=steps.hosting.actions("a", "pause"))
    assert await steps.advance(number) is None
    (notice,) = await steps.database.fetch_all("SELECT subject FROM notices")
    assert notice["subject"] == "a is still in pause: resume is not declared any more"


async def test_a_person_is_told_in_time_by_a_hub_whose_clock_is_ahead(steps: Steps) -> None:
    steps.rules = engine_of()
    number = await steps.opened(at=datetime.now(UTC) + timedelta(hours=1))
    steps.settings = steps.settings.model_copy(update={"grace": SECOND / 2})
    look = await steps.advance(number)
    assert look is not None
    assert look <= SECOND / 2
    await asyncio.sleep(0.6)
    await steps.advance(number)
    assert len(await steps.told("Escalated")) == 1


async def test_a_change_of_the_registry_that_comes_while_it_is_read_is_read_too(
    steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    wake, registry = asyncio.Event(), asyncio.Event()
    means = steps.means()
    readings = 0

    async def read(_: Database) -> None:
        nonlocal readings
        readings += 1
        if readings == 1:
            registry.set()  # as the bus does, in the middle of the reading

    monkeypatch.setattr(means.fleet, "read", read)
    registry.set()
    responder = Responder("h", means, cycle=SECOND / 2, events=wake, registry=registry)
    for _ in range(2):
        wake.set()
        cycle = Cycle(agent=responder.name, hub="h", started_at=datetime.now(UTC), name="respond")
        await responder.handle(cycle)
    assert readings == 2
