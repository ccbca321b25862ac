"""A hub is killed at each step of an action: no attempt has a second effect, nothing is stuck."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from data import attempts, incidents
from data.database import Database
from tests.hosting import Hosting, Received
from tests.hub.test_healing import RULES, Healed
from tests.hub.watched import Watched
from tests.programs import Program, eventually

ASLEEP = "SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
STAND_STILL = """
    CREATE FUNCTION stand_still() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_sleep(4);
        RETURN NEW;
    END $$;
    CREATE TRIGGER stand_still BEFORE {moment} ON action_attempts
        FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION stand_still();
"""
MOMENTS = {
    "asking for the attempt": ("INSERT", "NEW.state = 'approved'"),
    "marking it as begun": ("UPDATE", "NEW.state = 'executing'"),
    "recording what came of it": ("UPDATE", "NEW.state = 'verifying'"),
}


@pytest.fixture
async def healed(watched: Watched) -> AsyncIterator[Healed]:
    hosting = Hosting()
    await hosting.start()
    watched.use_rules(RULES.replace("8s", "4s"))
    healed = Healed(watched, hosting)
    hosting.effect = healed.restart
    yield healed
    await hosting.stop()


async def nothing_is_stuck(healed: Healed) -> None:
    """Wait until the project is well and every attempt and incident has come to its end."""

    async def over() -> bool:
        found = await incidents.list_newest(healed.database)
        tried = await attempts.list_newest(healed.database)
        return (
            bool(found)
            and all(incident.state == "resolved" for incident in found)
            and all(attempt.is_finished for attempt in tried)
        )

    await eventually(over, within_s=40)


def no_attempt_had_two_effects(healed: Healed) -> None:
    keys = Counter(effect.key for effect in healed.hosting.effects)
    assert None not in keys
    assert set(keys.values()) <= {1}, keys


async def two_hubs(healed: Healed) -> list[Program]:
    """Start two hubs that may be killed, both of which could take the incident."""
    await healed.serve("a", "b")
    hubs = [await healed.watched.program("one"), await healed.watched.program("two")]
    await healed.watched.all_healthy()
    return hubs


async def kill_who_acts(healed: Healed, hubs: list[Program]) -> None:
    """Kill the hub that has begun an attempt."""
    acting = await healed.attempt("executing")
    await hubs[["one", "two"].index(acting.hub or "")].kill()


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "during", "after"])
async def test_a_hub_that_dies_around_the_effect_leaves_one_effect(
    healed: Healed, moment: str
) -> None:
    hubs = await two_hubs(healed)
    killed = asyncio.Event()

    async def die(_: Received) -> None:
        if not killed.is_set():
            killed.set()
            await kill_who_acts(healed, hubs)
            if moment == "before":
                raise ConnectionResetError  # the request never reached who acts

    if moment == "after":
        healed.hosting.after = die
    else:
        healed.hosting.before = die
    await healed.crash("a")
    await nothing_is_stuck(healed)
    no_attempt_had_two_effects(healed)
    first, *later = sorted(
        await attempts.list_newest(healed.database), key=lambda one: one.requested_at
    )
    if moment == "before":
        assert (first.state, len(later)) == ("failed", 1)
    else:
        assert (first.state, later) == ("completed", [])
    assert len(healed.hosting.effects) == 1


@pytest.mark.slow
@pytest.mark.parametrize("moment", sorted(MOMENTS))
async def test_a_hub_that_dies_while_it_writes_leaves_one_effect(
    healed: Healed, database: Database, moment: str
) -> None:
    await healed.serve("a", "b")
    hub = await healed.watched.program("one")
    await healed.watched.all_healthy()
    when, condition = MOMENTS[moment]
    async with database.connection() as connection:
        await connection.execute(STAND_STILL.format(moment=when, condition=condition))
    await healed.crash("a")

    async def asleep() -> bool:
        row = await database.fetch_one(ASLEEP)
        return row is not None and row["n"] > 0

    await eventually(asleep)
    await hub.kill()
    await database.execute("DROP TRIGGER stand_still ON action_attempts")
    await healed.watched.hub("two")
    await nothing_is_stuck(healed)
    no_attempt_had_two_effects(healed)
    assert len(healed.hosting.effects) == 1


@pytest.mark.slow
async def test_a_hub_that_dies_while_it_verifies_hands_that_on(healed: Healed) -> None:
    healed.hosting.effect = None
    await healed.serve("a", "b")
    hub = await healed.watched.program("one")
    await healed.watched.all_healthy()
    await healed.crash("a")
    waiting = await healed.attempt("verifying")
    await hub.kill()
    await healed.watched.hub("two")
    await healed.watched.services[0].start()
    await nothing_is_stuck(healed)
    assert (await attempts.find(healed.database, waiting.id)).state == "completed"
    assert len(healed.hosting.effects) == 1
