"""Attempts against a real Postgres: guarded moves, common limits, decisions with one winner."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data import attempts, audit_verification, brake
from data.attempts import (
    TRANSITIONS,
    UNFINISHED,
    Allowance,
    Attempt,
    AttemptDecided,
    AttemptUnknown,
    ForbiddenMove,
    NewAttempt,
    Refusal,
)
from data.database import Database
from data.states import AttemptState

MINUTE = timedelta(minutes=1)
WIDE = Allowance(actions=100, actions_within=MINUTE, projects=100, projects_within=MINUTE)


def new(project: str = "a", action: str = "restart", **given: Any) -> NewAttempt:
    fields: dict[str, Any] = {
        "id": uuid4(),
        "incident_id": None,
        "project": project,
        "action": action,
        "risk": "disruptive",
        "purpose": "heal",
        "state": "approved",
        "requested_by": "hub",
        "reason": "a is down",
    }
    return NewAttempt(**{**fields, **given})


async def requested(database: Database, attempt: NewAttempt) -> Attempt:
    async with database.transaction() as connection:
        made = await attempts.request(connection, attempt)
    assert made is not None
    return made


async def begun(
    database: Database, attempt: Attempt, allowance: Allowance | None = WIDE
) -> Attempt | Refusal:
    async with database.transaction() as connection:
        return await attempts.begin(
            connection, attempt.id, "hub", timeout=MINUTE, allowance=allowance
        )


async def moved(
    database: Database, attempt: Attempt, from_state: AttemptState, to_state: AttemptState
) -> Attempt | None:
    async with database.transaction() as connection:
        return await attempts.move(
            connection, attempt.id, from_state, to_state, actor="hub", reason="so it is"
        )


async def states_on_record(
    database: Database, attempt: Attempt
) -> Sequence[tuple[str | None, str]]:
    rows = await database.fetch_all(
        "SELECT from_state, to_state FROM action_history WHERE action_id = %(id)s ORDER BY seq",
        {"id": attempt.id},
    )
    return [(row["from_state"], row["to_state"]) for row in rows]


async def test_every_move_is_on_record(database: Database) -> None:
    attempt = await requested(database, new())
    assert isinstance(await begun(database, attempt), Attempt)
    await moved(database, attempt, "executing", "verifying")
    last = await moved(database, attempt, "verifying", "completed")
    assert last is not None
    assert (last.state, last.succeeded) == ("completed", True)
    assert await states_on_record(database, attempt) == [
        (None, "approved"),
        ("approved", "executing"),
        ("executing", "verifying"),
        ("verifying", "completed"),
    ]


async def test_a_move_that_comes_too_late_changes_and_records_nothing(database: Database) -> None:
    attempt = await requested(database, new())
    await begun(database, attempt)
    await moved(database, attempt, "executing", "unknown")
    assert await moved(database, attempt, "executing", "verifying") is None
    assert (await attempts.find(database, attempt.id)).state == "unknown"
    assert len(await states_on_record(database, attempt)) == 3


async def test_a_move_that_the_table_does_not_have_is_refused(database: Database) -> None:
    attempt = await requested(database, new())
    with pytest.raises(ForbiddenMove, match="from approved to completed"):
        await moved(database, attempt, "approved", "completed")


@settings(
    max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(steps=st.lists(st.sampled_from(sorted(TRANSITIONS)), max_size=6))
async def test_whatever_is_tried_only_moves_of_the_table_are_made(
    database: Database, steps: list[AttemptState]
) -> None:
    attempt = await requested(database, new(project=str(uuid4()), state="pending"))
    state: AttemptState = "pending"
    for step in steps:
        if step in TRANSITIONS[state]:
            assert await moved(database, attempt, state, step) is not None
            state = step
    assert (await attempts.find(database, attempt.id)).state == state
    record = await states_on_record(database, attempt)
    assert all(b[0] == a[1] for a, b in pairwise(record))


async def test_the_same_action_of_a_project_is_asked_for_once_at_a_time(database: Database) -> None:
    await requested(database, new())
    async with database.transaction() as connection:
        assert await attempts.request(connection, new()) is None
    assert await requested(database, new(action="clear_cache"))


async def test_of_many_hubs_that_begin_an_attempt_one_does(database: Database) -> None:
    attempt = await requested(database, new())
    outcomes = await asyncio.gather(*(begun(database, attempt) for _ in range(12)))
    assert sum(isinstance(outcome, Attempt) for outcome in outcomes) == 1
    assert {outcome for outcome in outcomes if not isinstance(outcome, Attempt)} == {"gone"}


async def test_two_actions_on_one_project_do_not_run_at_once(database: Database) -> None:
    first, second = await requested(database, new()), await requested(database, new(action="pause"))
    await begun(database, first)
    assert await begun(database, second) == "busy"
    await moved(database, first, "executing", "verifying")
    assert isinstance(await begun(database, second), Attempt)


async def test_nothing_begins_while_the_brake_is_pulled(database: Database) -> None:
    attempt = await requested(database, new())
    assert await brake.set_stopped(database, stopped=True, by="ann", reason="look first")
    assert await begun(database, attempt) == "brake"
    assert await begun(database, attempt, allowance=None) == "brake"
    await brake.set_stopped(database, stopped=False, by="ann", reason="")
    assert isinstance(await begun(database, attempt), Attempt)


async def test_pulling_the_brake_twice_changes_nothing(database: Database) -> None:
    assert await brake.set_stopped(database, stopped=True, by="ann", reason="look first")
    assert not await brake.set_stopped(database, stopped=True, by="bob", reason="me too")
    async with database.connection() as connection:
        assert (await brake.read(connection)).by == "ann"


async def test_attempts_that_begin_together_stay_within_the_blast_radius(
    database: Database,
) -> None:
    many = [await requested(database, new(project=f"p{number}")) for number in range(8)]
    narrow = Allowance(actions=9, actions_within=MINUTE, projects=3, projects_within=MINUTE)
    outcomes = await asyncio.gather(*(begun(database, one, narrow) for one in many))
    assert sum(isinstance(outcome, Attempt) for outcome in outcomes) == 3
    assert outcomes.count("blast_radius") == 5


async def test_a_project_is_not_acted_on_more_often_than_its_limit(database: Database) -> None:
    strict = Allowance(actions=2, actions_within=MINUTE, projects=9, projects_within=MINUTE)
    for _ in range(2):
        attempt = await requested(database, new())
        assert isinstance(await begun(database, attempt, strict), Attempt)
        await moved(database, attempt, "executing", "failed")
    assert await begun(database, await requested(database, new()), strict) == "rate_limited"


async def test_of_many_people_who_decide_at_once_one_does(database: Database) -> None:
    attempt = await requested(database, new(state="pending", expires_after=MINUTE))

    async def decide(number: int) -> Attempt | AttemptDecided:
        try:
            async with database.transaction() as connection:
                return await attempts.decide(
                    connection, attempt.id, approve=number % 2 == 0, by=f"p{number}", reason="mine"
                )
        except AttemptDecided as error:
            return error

    outcomes = await asyncio.gather(*(decide(number) for number in range(12)))
    (winner,) = (outcome for outcome in outcomes if isinstance(outcome, Attempt))
    assert winner.state == (
        "approved" if int((winner.decided_by or "")[1:]) % 2 == 0 else "rejected"
    )
    losers = [str(outcome) for outcome in outcomes if isinstance(outcome, AttemptDecided)]
    assert all(f"decided already by {winner.decided_by}" in text for text in losers)


async def test_what_has_run_out_is_not_approved(database: Database) -> None:
    late = await requested(database, new(state="pending", expires_after=timedelta(microseconds=1)))
    with pytest.raises(AttemptDecided, match="run out"):
        async with database.transaction() as connection:
            await attempts.decide(connection, late.id, approve=True, by="ann", reason="")


async def test_an_attempt_that_does_not_exist_is_named(database: Database) -> None:
    number = uuid4()
    with pytest.raises(AttemptUnknown, match=str(number)):
        await attempts.find(database, number)


def test_what_is_finished_leads_back_to_nothing_that_is_under_way() -> None:
    for state in TRANSITIONS.keys() - UNFINISHED:
        assert TRANSITIONS[state] <= {"rolled_back"}


async def test_the_chain_of_the_record_holds_after_many_writers(database: Database) -> None:
    await asyncio.gather(*(requested(database, new(project=f"p{n}")) for n in range(20)))
    verification = await audit_verification.verify(database, [])
    assert list(verification.breaches) == []


async def test_the_brake_holds_before_what_is_just_beginning_has_begun(database: Database) -> None:
    late = await requested(database, new(project="b"))
    beginning = await requested(database, new())
    async with database.transaction() as connection:
        await attempts.begin(connection, beginning.id, "hub", timeout=MINUTE, allowance=None)
        queued = asyncio.create_task(begun(database, late))
        await asyncio.sleep(0.2)
        pull = brake.set_stopped(database, stopped=True, by="ann", reason="")
        pulling = asyncio.create_task(pull)
        await asyncio.sleep(0.2)
        async with database.connection() as other:
            assert (await brake.read(other)).stopped
        assert not pulling.done()
    assert await pulling
    assert await queued == "brake"
