"""Whoever rewrites the history behind its triggers is found out, and the first row is named."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, LiteralString
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from data import attempts, audit_chain
from data.anchors import Anchor
from data.attempts import NewAttempt
from data.audit_chain import NewEntry
from data.audit_verification import Verification, verify
from data.database import Database

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
ENTRIES = st.lists(
    st.builds(
        NewEntry,
        action_id=st.uuids(),
        project=TEXT,
        action=TEXT,
        from_state=st.none() | TEXT,
        to_state=TEXT,
        actor=TEXT,
        reason=TEXT,
        details=st.dictionaries(TEXT, st.none() | st.integers() | TEXT, max_size=3),
    ),
    min_size=3,
    max_size=6,
)
COLUMNS: dict[str, LiteralString] = {
    "seq": "seq = seq + 1000",
    "recorded_at": "recorded_at = recorded_at + interval '1 microsecond'",
    "recorded_at for ever": "recorded_at = 'infinity'",
    "action_id": "action_id = gen_random_uuid()",
    "project": "project = project || 'x'",
    "incident_id": "incident_id = 7",
    "action": "action = action || ' '",
    "from_state": "from_state = CASE WHEN from_state IS NULL THEN '' END",
    "to_state": "to_state = to_state || U&'\\0301'",
    "actor": "actor = 'x' || actor",
    "reason": "reason = reason || E'\\n'",
    "text moved from a column to the next": "actor = '', reason = actor || reason || 'x'",
    "details": "details = details || '{\"\": 0.0}'",
    "previous_hash": "previous_hash = sha256(previous_hash)",
    "hash": "hash = sha256(hash)",
    "both hashes": "previous_hash = sha256(hash), hash = sha256(previous_hash)",
}
DISARM: LiteralString = "ALTER TABLE action_history DISABLE TRIGGER ALL"
REARM: LiteralString = """
    ALTER TABLE action_history ENABLE TRIGGER ALL;
    ALTER TABLE action_history ENABLE ALWAYS TRIGGER chain_action;
    ALTER TABLE action_history ENABLE ALWAYS TRIGGER refuse_change;
"""
REHASH: LiteralString = "UPDATE action_history AS r SET hash = action_history_hash(r)"
MANY = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def entry(reason: str = "because") -> NewEntry:
    return NewEntry(
        action_id=uuid4(),
        project="a",
        action="restart",
        to_state="pending",
        actor="hub",
        reason=reason,
    )


ENTRY = entry()


async def write(database: Database, entries: Sequence[NewEntry]) -> Anchor:
    """Begin a new chain with these entries and return the anchor of its head."""
    await tamper(database, "TRUNCATE action_history")
    async with database.transaction() as connection:
        await audit_chain.append(connection, entries)
    return await anchor(database)


async def anchor(database: Database) -> Anchor:
    head = await audit_chain.head(database)
    assert head is not None
    return Anchor(
        seq=head.seq, hash=head.hash, at=datetime.now(UTC), hub="h", database=head.database
    )


async def tamper(database: Database, *statements: LiteralString, **params: Any) -> None:
    """Do something as the owner of the database, behind the triggers."""
    async with database.transaction() as connection:
        await connection.execute(DISARM)
        for statement in statements:
            await connection.execute(statement, params)
        await connection.execute(REARM)


def told(verification: Verification) -> list[tuple[str, int | None]]:
    return [(breach.kind, breach.seq) for breach in verification.breaches]


@MANY
@given(entries=ENTRIES)
async def test_what_nobody_touched_is_intact(database: Database, entries: list[NewEntry]) -> None:
    anchored = await write(database, entries)
    found = await verify(database, [anchored])
    assert (found.breaches, found.rows, found.unanchored_rows) == ((), len(entries), 0)


@MANY
@given(entries=ENTRIES, column=st.sampled_from(sorted(COLUMNS)), place=st.integers(0, 5))
@example(entries=[ENTRY] * 3, column="seq", place=2)
@example(entries=[ENTRY] * 3, column="recorded_at for ever", place=2)
async def test_a_row_of_which_any_column_was_changed_is_named(
    database: Database, entries: list[NewEntry], column: str, place: int
) -> None:
    await write(database, entries)
    seq = place % len(entries) + 1
    await tamper(
        database, f"UPDATE action_history SET {COLUMNS[column]} WHERE seq = %(seq)s", seq=seq
    )
    found = await verify(database, [])
    kind = "changed"
    if column == "seq":
        kind = "removed" if seq < len(entries) else "renumbered"
    assert told(found) == [(kind, seq)]
    assert found.breaches[0].expected != found.breaches[0].found


@MANY
@given(entries=ENTRIES, column=st.sampled_from(sorted(set(COLUMNS) - {"seq", "hash"})))
async def test_a_row_that_was_changed_with_its_hash_is_named(
    database: Database, entries: list[NewEntry], column: str
) -> None:
    """The row after it still says what it followed."""
    await write(database, entries)
    await tamper(
        database,
        f"UPDATE action_history SET {COLUMNS[column]} WHERE seq = 2",
        REHASH + " WHERE seq = 2",
    )
    row_of_its_own = "previous_hash" in COLUMNS[column]
    assert told(await verify(database, [])) == [("replaced", 1 if row_of_its_own else 2)]


@MANY
@given(entries=ENTRIES, place=st.integers(0, 5), renumber=st.booleans())
async def test_a_row_that_was_removed_is_named(
    database: Database, entries: list[NewEntry], place: int, renumber: bool
) -> None:
    await write(database, entries)
    seq = place % (len(entries) - 1) + 1
    close_the_gap = "UPDATE action_history SET seq = seq - 1 WHERE seq = %(seq)s + {}"
    await tamper(
        database,
        "DELETE FROM action_history WHERE seq = %(seq)s",
        *(close_the_gap.format(n) for n in range(1, 6) if renumber),
        seq=seq,
    )
    (breach,) = (await verify(database, [])).breaches
    assert (breach.kind, breach.seq) == ("renumbered" if renumber else "removed", seq)
    if renumber:
        assert breach.problem == f"row {seq} was row {seq + 1} when it was written"


@MANY
@given(entries=ENTRIES, kept=st.integers(0, 2))
async def test_a_chain_without_its_end_is_found_by_an_anchor(
    database: Database, entries: list[NewEntry], kept: int
) -> None:
    anchored = await write(database, entries)
    await tamper(database, "DELETE FROM action_history WHERE seq > %(kept)s", kept=kept)
    found = await verify(database, [anchored])
    assert told(found) == [("truncated" if kept else "emptied", kept + 1)]


@MANY
@given(entries=ENTRIES, first=st.integers(1, 2))
async def test_two_rows_that_were_swapped_are_named(
    database: Database, entries: list[NewEntry], first: int
) -> None:
    await write(database, entries)
    await tamper(
        database,
        "UPDATE action_history SET seq = 0 WHERE seq = %(first)s",
        "UPDATE action_history SET seq = %(first)s WHERE seq = %(first)s + 1",
        "UPDATE action_history SET seq = %(first)s + 1 WHERE seq = 0",
        first=first,
    )
    assert told(await verify(database, [])) == [("renumbered", first)]


async def test_a_row_that_was_put_in_between_is_named(database: Database) -> None:
    await write(database, [entry(), entry(), entry()])
    await tamper(
        database,
        "UPDATE action_history SET seq = 4 WHERE seq = 3",
        "UPDATE action_history SET seq = 3 WHERE seq = 2",
        "INSERT INTO action_history SELECT 2, recorded_at, action_id, 'b', NULL, action, NULL,"
        " to_state, actor, reason, details, hash, hash FROM action_history WHERE seq = 1",
        REHASH + " WHERE seq = 2",
    )
    assert told(await verify(database, [])) == [("renumbered", 3)]


async def test_a_second_row_of_a_number_is_named(database: Database) -> None:
    await write(database, [entry(), entry(), entry()])
    await tamper(
        database,
        "ALTER TABLE action_history DROP CONSTRAINT action_history_pkey",
        "INSERT INTO action_history SELECT * FROM action_history WHERE seq = 2",
    )
    assert told(await verify(database, [])) == [("inserted", 2)]


@MANY
@given(entries=ENTRIES)
async def test_a_chain_that_was_forged_as_a_whole_is_found_by_an_anchor(
    database: Database, entries: list[NewEntry]
) -> None:
    """With the trigger's own help, so that it is a valid chain: only the anchor knows."""
    anchored = await write(database, entries)
    forged = await write(database, [replace(entries[0], reason="forged"), *entries[1:]])
    assert forged.hash != anchored.hash
    found = await verify(database, [anchored])
    assert told(found) == [("rewritten", len(entries))]
    assert (found.breaches[0].expected, found.breaches[0].found) == (anchored.hash, forged.hash)


async def test_rows_after_the_last_anchor_that_fits_are_named_as_rewritten(
    database: Database,
) -> None:
    first = await write(database, [entry(), entry()])
    async with database.transaction() as connection:
        await audit_chain.append(connection, [entry("true"), entry()])
    second = await anchor(database)
    await tamper(database, "DELETE FROM action_history WHERE seq > 2")
    async with database.transaction() as connection:
        await audit_chain.append(connection, [entry("forged"), entry(), entry()])
    found = await verify(database, [first, second])
    assert told(found) == [("rewritten", 4)]
    assert found.breaches[0].problem.endswith("rows after 2 were rewritten")


async def test_an_anchor_of_another_database_is_not_held_against_this_one(
    database: Database,
) -> None:
    other = replace(await write(database, [entry()]), database=uuid4(), seq=9)
    found = await verify(database, [other])
    assert (found.breaches, found.anchors, found.anchors_of_others) == ((), 0, 1)
    assert found.unanchored_rows == 1


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        (
            "ALTER TABLE action_history DISABLE TRIGGER refuse_change",
            "the trigger refuse_change of action_history is disabled, or not always enabled",
        ),
        (
            "ALTER TABLE action_history ENABLE REPLICA TRIGGER chain_action",
            "the trigger chain_action of action_history is disabled, or not always enabled",
        ),
        (
            "DROP TRIGGER chain_action ON action_history",
            "the trigger chain_action of action_history is missing",
        ),
        (
            "CREATE OR REPLACE TRIGGER refuse_change BEFORE DELETE ON action_history"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();"
            " ALTER TABLE action_history ENABLE ALWAYS TRIGGER refuse_change",
            "the trigger refuse_change of action_history is not as it was made",
        ),
        (
            "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql"
            " AS 'BEGIN RETURN NULL; END'",
            "the function of the trigger refuse_change of action_history was changed",
        ),
        (
            "CREATE OR REPLACE FUNCTION action_history_hash(entry action_history) RETURNS bytea"
            " LANGUAGE sql AS 'SELECT NULL::bytea'",
            "the function action_history_hash was changed, or there are others of its name",
        ),
        (
            "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL;"
            " END'; CREATE TRIGGER swallow BEFORE INSERT ON action_history FOR EACH ROW"
            " EXECUTE FUNCTION swallow()",
            "the trigger swallow of action_history is a stranger",
        ),
        (
            "ALTER TABLE action_history ENABLE ROW LEVEL SECURITY",
            "row security of action_history may hide rows",
        ),
        (
            "CREATE RULE quiet AS ON INSERT TO action_history DO INSTEAD NOTHING",
            "rules rewrite what is asked of action_history",
        ),
        (
            "CREATE TABLE more () INHERITS (action_history)",
            "other tables inherit from action_history",
        ),
    ],
)
async def test_a_guard_that_was_taken_away_is_named(
    database: Database, statement: LiteralString, problem: str
) -> None:
    await database.execute(statement)
    breaches = (await verify(database, [])).breaches
    assert problem in [breach.problem for breach in breaches]
    assert {breach.kind for breach in breaches} == {"unguarded"}


async def test_an_attempt_whose_row_is_gone_is_named(database: Database) -> None:
    """It needs no anchor: the attempt itself remembers."""
    new = NewAttempt(
        id=UUID(int=7),
        incident_id=None,
        project="a",
        action="restart",
        risk="disruptive",
        purpose="by_hand",
        state="pending",
        requested_by="ann",
        reason="it hangs",
    )
    async with database.transaction() as connection:
        assert await attempts.request(connection, new)
        await attempts.decide(connection, new.id, approve=False, by="bob", reason="it works")
    assert (await verify(database, [])).breaches == ()
    await tamper(database, "DELETE FROM action_history WHERE seq = 2")
    (breach,) = (await verify(database, [])).breaches
    assert breach.kind == "unaccounted"
    assert breach.problem == (
        "attempt 00000000-0000-0000-0000-000000000007 (restart of a) is rejected,"
        " and no row says how it came to be"
    )
