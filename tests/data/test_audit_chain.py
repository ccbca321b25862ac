"""The audit chain: numbered without gaps and chained, whoever writes it, and however many."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import LiteralString
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from data import audit_chain, events, migrations
from data.audit_chain import NewEntry
from data.audit_verification import verify
from data.chain_hash import GENESIS
from data.database import Database, DatabaseError, DatabaseUnavailable
from data.events import NewEvent

INSERT: LiteralString = """
    INSERT INTO action_history (action_id, project, action, to_state, actor, reason)
    SELECT gen_random_uuid(), 'a', 'restart', 'pending', 'h', 'r' FROM generate_series(1, 3)
"""


def entry(reason: str = "because") -> NewEntry:
    return NewEntry(
        action_id=uuid4(),
        project="a",
        action="restart",
        to_state="pending",
        actor="hub",
        reason=reason,
    )


async def append(database: Database, *entries: NewEntry) -> list[int]:
    async with database.transaction() as connection:
        return await audit_chain.append(connection, entries)


async def is_intact(database: Database, rows: int) -> bool:
    found = await verify(database, [])
    assert found.breaches == ()
    return (found.rows, found.head_seq) == (rows, rows)


async def test_entries_are_numbered_in_their_order_and_chained(database: Database) -> None:
    assert await append(database) == []
    assert await append(database, entry("first"), entry("second")) == [1, 2]
    assert await append(database, entry("third")) == [3]
    newest = await audit_chain.list_newest(database)
    assert [one.reason for one in newest] == ["third", "second", "first"]
    hashes = [one.hash for one in newest[1:]]
    assert [one.previous_hash for one in newest] == [*hashes, GENESIS.hex()]


async def test_nul_cannot_be_kept_and_leaves_a_mark(database: Database) -> None:
    await append(database, entry("a\0b"))
    (kept,) = await audit_chain.list_newest(database)
    assert kept.reason == "a\ufffdb"


async def test_what_a_writer_says_of_number_time_and_hash_does_not_count(
    database: Database,
) -> None:
    await append(database, entry())
    await database.execute(
        "INSERT INTO action_history VALUES (77, '1999-01-01', gen_random_uuid(), 'a', NULL, 'x',"
        " NULL, 'pending', 'h', 'r', '{}', '\\x00', '\\x00')"
    )
    newest, _ = await audit_chain.list_newest(database)
    assert newest.seq == 2
    assert datetime.now(UTC) - newest.recorded_at < timedelta(minutes=1)
    assert await is_intact(database, rows=2)


async def test_rows_of_one_statement_are_chained(database: Database) -> None:
    await database.execute(INSERT)
    async with (
        database.transaction() as connection,
        connection.cursor() as cursor,
        cursor.copy(
            "COPY action_history (action_id, project, action, to_state, actor, reason) FROM STDIN"
        ) as copy,
    ):
        for number in range(1_500):
            await copy.write_row((uuid4(), "a", "restart", "pending", "h", str(number)))
    assert await is_intact(database, rows=1_503)


async def test_time_never_runs_backwards_along_the_chain(database: Database) -> None:
    await database.execute(
        "ALTER TABLE action_history DISABLE TRIGGER chain_action;"
        "INSERT INTO action_history SELECT 1, '2999-01-01', gen_random_uuid(), 'a', NULL, 'x',"
        " NULL, 'pending', 'h', 'r', '{}', '\\x00', '\\x00';"
        "ALTER TABLE action_history ENABLE ALWAYS TRIGGER chain_action"
    )
    await append(database, entry())
    assert [one.recorded_at.year for one in await audit_chain.list_newest(database)] == [2999, 2999]


async def test_a_rolled_back_writer_leaves_no_gap(database: Database) -> None:
    await append(database, entry())
    async with database.transaction() as connection:
        for statement in ("ROLLBACK TO SAVEPOINT here", "RELEASE SAVEPOINT here"):
            await connection.execute("SAVEPOINT here")
            await audit_chain.append(connection, [entry()])
            await connection.execute(statement)
        assert await audit_chain.append(connection, [entry()]) == [3]
    assert await is_intact(database, rows=3)


async def test_many_writers_at_once_make_one_chain(database_url: str) -> None:
    written = 0

    async def work(database: Database, seed: int) -> None:
        nonlocal written
        chance = random.Random(seed)
        for _ in range(15):
            count = chance.randint(1, 3)
            try:
                async with database.transaction() as connection:
                    await audit_chain.append(connection, [entry() for _ in range(count)])
                    await asyncio.sleep(chance.random() / 1_000)
                    await audit_chain.append(connection, [entry()])
                    if chance.random() < 0.3:
                        raise ZeroDivisionError
                written += count + 1
            except ZeroDivisionError:
                pass

    async with Database(database_url, max_size=8) as database:
        await asyncio.gather(*(work(database, seed) for seed in range(8)))
        assert await is_intact(database, rows=written)


async def test_a_writer_that_dies_in_its_transaction_leaves_no_trace(database: Database) -> None:
    await append(database, entry())
    waiting: list[asyncio.Task[list[int]]] = []

    async def die() -> None:
        async with database.transaction() as connection:
            await audit_chain.append(connection, [entry(), entry()])
            waiting.append(asyncio.create_task(append(database, entry("waited"))))
            await asyncio.sleep(0.05)
            assert not waiting[0].done()
            pid = {"pid": connection.info.backend_pid}
            await database.execute("SELECT pg_terminate_backend(%(pid)s)", pid)
            await connection.execute("SELECT 1")

    with pytest.raises(DatabaseUnavailable):
        await die()
    assert await waiting[0] == [2]
    assert await is_intact(database, rows=2)


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
async def test_a_writer_whose_view_may_be_old_is_refused(
    database: Database, level: LiteralString
) -> None:
    with pytest.raises(DatabaseError, match=f"written at READ COMMITTED, not at {level}"):
        await database.execute(f"BEGIN ISOLATION LEVEL {level}; {INSERT}; COMMIT")


async def test_replicas_and_restores_do_not_get_past_the_triggers(database: Database) -> None:
    as_a_replica = "SET LOCAL session_replication_role = replica"
    await database.execute(f"BEGIN; {as_a_replica}; {INSERT}; COMMIT")
    assert await is_intact(database, rows=3)
    with pytest.raises(DatabaseError, match="append-only: DELETE refused"):
        await database.execute(f"BEGIN; {as_a_replica}; DELETE FROM action_history; COMMIT")


async def test_the_identity_of_the_record_stays(database: Database) -> None:
    with pytest.raises(DatabaseError, match="append-only: UPDATE refused"):
        await database.execute("UPDATE record_identity SET id = gen_random_uuid()")


async def test_writers_who_tell_of_it_afterwards_do_not_lock_each_other_out(
    database: Database,
) -> None:
    told = NewEvent(
        occurred_at=datetime.now(UTC),
        hub="h",
        agent="responder",
        kind="ActionRequested",
        severity="info",
        message="restart",
    )

    async def act() -> None:
        async with database.transaction() as connection:
            await audit_chain.append(connection, [entry()])
            await events.append(connection, [told])

    await asyncio.gather(*(act() for _ in range(12)))
    assert await is_intact(database, rows=12)


async def test_it_works_for_writers_who_look_elsewhere_for_tables(
    cluster_url_empty: str,
) -> None:
    async with Database(cluster_url_empty) as database:
        await database.execute("CREATE SCHEMA ours")
        name = urlsplit(cluster_url_empty).path[1:]
        await database.execute(
            f"ALTER ROLE CURRENT_USER IN DATABASE {name} SET search_path TO ours"
        )
    async with Database(cluster_url_empty) as database:
        await migrations.migrate(database)
        elsewhere = INSERT.replace("action_history", "ours.action_history")
        await database.execute(f"BEGIN; SET LOCAL search_path TO public; {elsewhere}; COMMIT")
        assert await is_intact(database, rows=3)


async def test_rows_from_before_the_chain_are_chained_in_their_order(
    cluster_url_empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in migrations.FOLDER.glob("000[12]*.sql"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    async with Database(cluster_url_empty) as database:
        with monkeypatch.context() as patched:
            patched.setattr(migrations, "FOLDER", tmp_path)
            await migrations.migrate(database)
        for _ in range(3):
            await database.execute(INSERT)
            with pytest.raises(DatabaseError):
                await database.execute(INSERT.replace("'h'", "NULL"))  # leaves a gap
        applied = await migrations.migrate(database)
        assert "0003_audit_chain" in {step.name for step in applied}
        assert await is_intact(database, rows=9)
        await append(database, entry())
        assert await is_intact(database, rows=10)
