"""Notices: kept until they were sent, by one hub at a time, with one end per contact."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from data import incidents, notices
from data.bus import Bus, wait_for
from data.database import Database
from data.incidents import Problem, Solved
from data.notices import CHANNEL, DeliveryOutcome, NewNotice, Notice
from data.states import DOWN

NOW = datetime.now(UTC)
LEASE = timedelta(seconds=30)


def _new(contact: str | None = "oncall", **changed: object) -> NewNotice:
    fields = {"purpose": "escalation", "severity": "warning", "subject": "down", **changed}
    return NewNotice(contact=contact, **fields)  # type: ignore[arg-type]


async def _add(database: Database, *new: NewNotice) -> list[int]:
    async with database.transaction() as connection:
        return await notices.add(connection, new)


async def _claim(database: Database, ids: list[int], lease: timedelta = LEASE) -> list[Notice]:
    return await notices.claim(database, ids, uuid4(), hub="h", lease=lease)


async def _record(database: Database, claimed: list[Notice], outcome: DeliveryOutcome) -> list[int]:
    async with database.transaction() as connection:
        return await notices.record(connection, [outcome], NOW, claimed[0].group_id)


async def _incident(database: Database, project: str = "a") -> int:
    problem = Problem(
        project=project, kind=DOWN, severity="critical", title=f"{project} is down", at=NOW
    )
    async with database.transaction() as connection:
        (opened,) = await incidents.open_or_update(connection, [problem])
    return opened.id


async def _resolve(database: Database, project: str = "a") -> list[int]:
    solved = Solved(project=project, kind=DOWN, at=NOW, resolution="healthy again")
    async with database.transaction() as connection:
        await incidents.resolve(connection, [solved])
    async with database.transaction() as connection:
        return await notices.add_resolved(connection, NOW)


async def test_a_notice_waits_until_it_was_sent(database: Database) -> None:
    attempt_id = uuid4()
    (one,) = await _add(database, _new(attempt_id=attempt_id, due_at=NOW))
    (waiting,) = await notices.waiting(database)
    assert (waiting.id, waiting.due_at, waiting.attempts) == (one, NOW, 0)
    claimed = await _claim(database, [one])
    assert (claimed[0].attempt_id, claimed[0].attempts) == (attempt_id, 1)
    await _record(database, claimed, DeliveryOutcome(id=one, outcome="sent", delivered=["x"]))
    assert await notices.waiting(database) == []
    assert await notices.last_sent(database, ["oncall", "other"]) == {"oncall": NOW}


async def test_a_new_notice_wakes_who_sends_them(database: Database, database_url: str) -> None:
    async with Bus(database_url, CHANNEL) as bus:
        heard = bus.listener(CHANNEL)
        assert await wait_for(heard, 5)  # it listens
        await _add(database, _new())
        assert await wait_for(heard, 5)


async def test_the_end_of_an_incident_wakes_who_sends_notices(
    database: Database, database_url: str
) -> None:
    await _incident(database)
    async with Bus(database_url, CHANNEL) as bus:
        heard = bus.listener(CHANNEL)
        assert await wait_for(heard, 5)
        await _resolve(database)
        assert await wait_for(heard, 5)


async def test_what_one_hub_sends_no_other_claims(database: Database) -> None:
    ids = await _add(database, _new(), _new())
    assert len(await _claim(database, ids)) == 2
    assert await _claim(database, ids) == []
    assert all(one.leased for one in await notices.waiting(database))


async def test_a_message_is_claimed_as_a_whole_or_not_at_all(database: Database) -> None:
    first, second = await _add(database, _new(), _new())
    await _claim(database, [first])
    assert await _claim(database, [first, second]) == []
    assert len(await _claim(database, [second])) == 1


async def test_a_claim_ends_with_its_lease(database: Database) -> None:
    ids = await _add(database, _new())
    await _claim(database, ids, lease=timedelta())
    (again,) = await _claim(database, ids)
    assert again.attempts == 2


async def test_what_failed_waits_for_its_next_time(database: Database) -> None:
    (one,) = await _add(database, _new())
    claimed = await _claim(database, [one])
    later = NOW + timedelta(minutes=1)
    failed = DeliveryOutcome(id=one, outcome="again", delivered=["x"], error="500", due_at=later)
    assert await _record(database, claimed, failed) == [one]
    (waiting,) = await notices.waiting(database)
    assert (waiting.due_at, waiting.leased) == (later, False)
    (found,) = await notices.list_newest(database)
    assert (found.delivered, found.last_error) == (["x"], "500")


async def test_a_claim_that_was_lost_only_tells_of_what_was_sent(database: Database) -> None:
    (one,) = await _add(database, _new())
    lost = await _claim(database, [one], lease=timedelta())
    await _claim(database, [one])
    failed = DeliveryOutcome(id=one, outcome="again", error="500", due_at=NOW)
    assert await _record(database, lost, failed) == []
    assert await _record(database, lost, DeliveryOutcome(id=one, outcome="sent")) == [one]


async def test_a_step_that_still_waits_to_be_told_is_not_added_again(database: Database) -> None:
    incident = await _incident(database)
    (one,) = await _add(database, _new(incident_id=incident))
    assert await _add(database, _new(incident_id=incident)) == []
    assert len(await _add(database, _new(incident_id=incident, severity="critical"))) == 1
    assert len(await _add(database, _new(incident_id=incident, purpose="suggestion"))) == 1
    claimed = await _claim(database, [one])
    await _record(database, claimed, DeliveryOutcome(id=one, outcome="sent"))
    assert len(await _add(database, _new(incident_id=incident))) == 1


async def test_the_end_is_told_once_to_each_who_was_told(database: Database) -> None:
    incident = await _incident(database)
    await _add(
        database,
        _new(incident_id=incident),
        _new(incident_id=incident),
        _new("lead", incident_id=incident, purpose="approval"),
        _new(None, incident_id=incident),
    )
    assert await _resolve(database) == [incident, incident]
    assert await _resolve(database) == []
    ended = [one for one in await notices.list_newest(database) if one.purpose == "resolved"]
    assert sorted(one.contact or "" for one in ended) == ["lead", "oncall"]
    assert ended[0].subject == "a is down"
    assert ended[0].body == "healthy again"
    assert ended[0].resolved_at is not None


async def test_what_was_left_out_has_no_end(database: Database) -> None:
    incident = await _incident(database)
    (one,) = await _add(database, _new(incident_id=incident))
    async with database.transaction() as connection:
        assert await notices.leave_out(connection, [(one, "below warning")], NOW) == [one]
        assert await notices.leave_out(connection, [(one, "below warning")], NOW) == []
    assert await _resolve(database) == []


async def test_what_an_action_tells_has_no_end(database: Database) -> None:
    await _add(database, _new(incident_id=await _incident(database), purpose="action"))
    assert await _resolve(database) == []


@pytest.mark.parametrize("tried", [True, False])
async def test_an_end_knows_whether_its_beginning_may_be_known(
    database: Database, *, tried: bool
) -> None:
    incident = await _incident(database)
    ids = await _add(database, _new(incident_id=incident))
    if tried:
        await _claim(database, ids)
    await _resolve(database)
    told = {one.purpose: one.told for one in await notices.waiting(database)}
    assert told == {"escalation": False, "resolved": tried}
