"""Verify the audit chain: its rows, what guards them, and the anchors outside of the database."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from data import audit_export
from data.anchors import Anchor
from data.audit_chain import identity_of
from data.chain_guards import unguarded
from data.chain_rows import open_chain, read_links
from data.chain_walk import Breach, Walk
from data.database import Connection, Database
from data.named_sql import read_queries

_SQL = read_queries("audit_chain")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was looked at and what is wrong with it; intact when `breaches` is empty.

    `anchors` were held against the chain, `anchors_of_others` are of other databases. The rows
    up to `anchored_seq` are as a hub saw them; the `unanchored_rows` after it could have been
    rewritten as a whole without a trace.
    """

    database: UUID | None
    rows: int
    head_seq: int
    head_hash: str | None
    anchors: int
    anchored_seq: int
    unanchored_rows: int
    anchors_of_others: int
    breaches: tuple[Breach, ...]


async def verify(database: Database, anchors: Sequence[Anchor]) -> Verification:
    """Hold every row against its hash and against the anchors of this database.

    It reads one state of the record in batches, about 100,000 rows in 2 s, and no writer waits
    for it. Read the anchors before: the row of a later one would count as missing.

    Raises:
        NoAuditChain: the record has not been migrated.
        DatabaseError: the table is not there, or not as it was made.
    """
    async with open_chain(database) as connection:
        identity = await identity_of(connection)
        own = [anchor for anchor in anchors if anchor.database == identity]
        head = await (await connection.execute(_SQL["audit_head"])).fetchone()
        walk = Walk(own, highest=head["seq"] if head else 0)
        async for links in read_links(connection):
            for link in links:
                walk.take(link)
            await asyncio.sleep(0)
        beside = [*await _unaccounted(connection), *await unguarded(connection)]
    return _conclude(walk, identity, own, anchors, beside)


def verify_export(path: Path, anchors: Sequence[Anchor], *, partial: bool = False) -> Verification:
    """Verify an exported chain without a database; `partial` allows that rows are left out.

    Raises:
        ExportUnreadable: the file is missing, or a line of it is not a row.
    """
    rows = audit_export.read(path)
    first = next(rows, None)
    if first is None:
        return _conclude(Walk(anchors, partial=partial), None, anchors, anchors, [])
    identity = first[0]
    own = [anchor for anchor in anchors if anchor.database == identity]
    walk = Walk(own, partial=partial)
    walk.take(first[1])
    for _, link in rows:
        walk.take(link)
    return _conclude(walk, identity, own, anchors, [])


async def _unaccounted(connection: Connection) -> list[Breach]:
    """Every move of an attempt is a row of the chain: what says otherwise lost its row."""
    row = await (await connection.execute(_SQL["unaccounted_attempts"])).fetchone()
    if row is None:
        return []
    return [
        Breach(
            kind="unaccounted",
            seq=None,
            problem=f"attempt {row['id']} ({row['action']} of {row['project']}) is {row['state']},"
            " and no row says how it came to be"
            + (f"; so are {row['attempts'] - 1} others" if row["attempts"] > 1 else ""),
        )
    ]


def _conclude(
    walk: Walk,
    identity: UUID | None,
    own: Sequence[Anchor],
    given: Sequence[Anchor],
    beside: Sequence[Breach],
) -> Verification:
    last = walk.last
    head_seq = last.seq if last else 0
    return Verification(
        database=identity,
        rows=walk.rows,
        head_seq=head_seq,
        head_hash=last.hash.hex() if last else None,
        anchors=len(own),
        anchored_seq=walk.anchored_seq,
        unanchored_rows=max(0, head_seq - walk.anchored_seq),
        anchors_of_others=len(given) - len(own),
        breaches=(*walk.breaches(), *beside),
    )
