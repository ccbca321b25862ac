"""Samples wait while Postgres is away, and one that it refuses does not hold up the others."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from data import samples
from data.database import Database, DatabaseUnavailable
from data.records import HealthSample, HealthStatus
from flows.polling import outbox as outbox_module
from flows.polling.outbox import Outbox
from tests.programs import eventually

NOW = datetime.now(UTC)


def _probe(number: int, status: HealthStatus = "healthy") -> HealthSample:
    at = NOW + timedelta(milliseconds=number)
    return HealthSample(project="a", recorded_at=at, status=status)


async def _stored(database: Database) -> int:
    since = NOW - timedelta(minutes=1)
    return len(await samples.recent_health(database, ["a"], since=since, limit=100))


async def test_what_is_flushed_is_stored_and_gone(database: Database) -> None:
    outbox = Outbox(database, flush_s=60)
    for number in range(5):
        outbox.put(_probe(number))
    await outbox.flush()
    assert (await _stored(database), len(outbox), outbox.stored) == (5, 0, 5)


async def test_while_postgres_is_away_samples_wait(database: Database) -> None:
    async with Database("postgresql://postgres@127.0.0.1:1/none", timeout_s=0.1) as nowhere:
        outbox = Outbox(nowhere, flush_s=60)
        outbox.put(_probe(1))
        with pytest.raises(DatabaseUnavailable):
            await outbox.flush()
        assert len(outbox) == 1
        outbox._database = database
        await outbox.flush()
    assert await _stored(database) == 1


async def test_one_refused_sample_does_not_hold_up_the_others(database: Database) -> None:
    outbox = Outbox(database, flush_s=60)
    for number in range(9):
        outbox.put(_probe(number, "sleepy" if number == 4 else "healthy"))  # type: ignore[arg-type]
    await outbox.flush()
    assert (await _stored(database), outbox.dropped, len(outbox)) == (8, 1, 0)


async def test_an_urgent_sample_does_not_wait_for_the_next_flush(database: Database) -> None:
    outbox = Outbox(database, flush_s=60)
    running = asyncio.create_task(outbox.run())
    await asyncio.sleep(0)
    outbox.put(_probe(1, "down"), urgent=True)
    await eventually(lambda: _stored(database))
    running.cancel()


async def test_when_there_is_no_room_the_oldest_goes_and_is_counted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_module, "LIMIT", 3)
    outbox = Outbox(database, flush_s=60)
    for number in range(5):
        outbox.put(_probe(number))
    assert (len(outbox), outbox.dropped) == (3, 2)
