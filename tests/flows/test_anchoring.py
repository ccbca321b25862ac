"""The auditor writes anchors outside of the database, and tells when the chain was rewritten."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from config.audit import AuditSettings
from config.escalation import EscalationStep
from data import anchors, audit_chain, events, notices
from data.audit_chain import NewEntry
from data.audit_verification import verify
from data.database import Database
from flows.flow_runs.cycle import Cycle
from flows.upkeep import anchor_post
from flows.upkeep.anchoring import Auditor


@pytest.fixture(autouse=True)
def no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anchor_post, "WAIT_S", 0.01)


@dataclass(kw_only=True)
class Safe:
    """An address that takes anchors; it answers with the statuses in turn, the last for ever."""

    statuses: list[int]
    taken: list[dict[str, Any]] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    url: str = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(head.lower().split("content-length: ")[1].split("\r\n", maxsplit=1)[0])
        body = json.loads(await reader.readexactly(length))
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        self.heads.append(head)
        if status == 200:
            self.taken.append(body)
        writer.write(b"HTTP/1.1 %d x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % status)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def safe(*statuses: int) -> AsyncIterator[Safe]:
    made = Safe(statuses=list(statuses))
    server = await asyncio.start_server(made.answer, "127.0.0.1", 0)
    async with server:
        made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/anchors"
        yield made


class Tireless(Auditor):
    """Does not rest after a cycle."""

    async def _rest(self) -> None:
        pass


async def once(auditor: Auditor) -> Cycle:
    cycle = Cycle(agent="auditor", hub="h", started_at=datetime.now(UTC), name="anchor")
    await auditor.handle(cycle)
    return cycle


async def add(database: Database, count: int = 1) -> None:
    entries = [
        NewEntry(
            action_id=uuid4(),
            project="a",
            action="restart",
            to_state="pending",
            actor="hub",
            reason="because",
        )
        for _ in range(count)
    ]
    async with database.transaction() as connection:
        await audit_chain.append(connection, entries)


async def told(database: Database) -> list[tuple[str, str, str]]:
    return [(one.kind, one.severity, one.message) for one in await events.after(database, 0)]


@asynccontextmanager
async def auditor_of(database: Database, home: Path, **settings: Any) -> AsyncIterator[Auditor]:
    made = Tireless("h", database, AuditSettings(**settings), home)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


async def test_the_head_is_anchored_when_it_has_moved(database: Database, home: Path) -> None:
    file = home / "audit-anchors.jsonl"
    async with auditor_of(database, home) as auditor:
        await once(auditor)
        assert not file.exists()
        await add(database, 2)
        await once(auditor)
        await once(auditor)
        await add(database)
        await once(auditor)
    read = anchors.read(file).anchors
    assert [anchor.seq for anchor in read] == [2, 3]
    found = await verify(database, read)
    assert (found.breaches, found.anchored_seq, found.unanchored_rows) == ((), 3, 0)
    message = "anchored row 2 of the audit chain"
    assert (await told(database))[0] == ("AuditAnchored", "info", message)


async def test_rows_are_anchored_before_the_end(database: Database, home: Path) -> None:
    async with auditor_of(database, home) as auditor:
        await once(auditor)
        await add(database)
    assert [anchor.seq for anchor in anchors.read(home / "audit-anchors.jsonl").anchors] == [1]


async def test_two_hubs_with_one_file_anchor_a_row_once(database: Database, home: Path) -> None:
    await add(database)
    async with auditor_of(database, home) as one, auditor_of(database, home) as other:
        await asyncio.gather(once(one), once(other))
    assert len(anchors.read(home / "audit-anchors.jsonl").anchors) == 1


async def test_anchors_are_sent_to_the_address_with_their_secret(
    database: Database, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAFE_TOKEN", "s3cret")
    await add(database)
    headers = {"Authorization": "Bearer ${SAFE_TOKEN}"}
    async with (
        safe(200) as address,
        auditor_of(database, home, anchor_url=address.url, anchor_headers=headers) as auditor,
    ):
        await once(auditor)
        await once(auditor)
    (sent,) = address.taken
    (kept,) = anchors.read(home / "audit-anchors.jsonl").anchors
    assert sent == {
        "seq": 1,
        "hash": kept.hash,
        "at": kept.at.isoformat(),
        "hub": "h",
        "database": str(kept.database),
    }
    assert "authorization: bearer s3cret\r\n" in address.heads[0].lower()


async def test_an_address_that_fails_is_asked_again(database: Database, home: Path) -> None:
    await add(database)
    async with (
        safe(500, 500, 200) as address,
        auditor_of(database, home, anchor_url=address.url) as auditor,
    ):
        await once(auditor)
    assert (len(address.heads), len(address.taken)) == (3, 1)
    assert auditor.errors == 0


async def test_an_address_that_goes_on_failing_is_told_once_and_loses_nothing(
    database: Database, home: Path
) -> None:
    await add(database)
    async with (
        safe(500) as address,
        auditor_of(database, home, anchor_url=address.url) as auditor,
    ):
        for _ in range(3):
            await once(auditor)
        assert len(anchors.read(home / "audit-anchors.jsonl").anchors) == 1
        trouble = f"{address.url} did not take the anchor of row 1: it answered 500"
        assert auditor.last_error == trouble
        failures = [one for one in await told(database) if one[0] == "AgentFailed"]
        assert failures == [("AgentFailed", "warning", f"auditor: {trouble}")]
        address.statuses = [200]
        await once(auditor)
        assert len(address.taken) == 1


async def test_a_secret_that_is_not_set_is_named(database: Database, home: Path) -> None:
    await add(database)
    settings = {"anchor_url": "http://127.0.0.1:1", "anchor_headers": {"X": "${NOT_SET_HERE}"}}
    async with auditor_of(database, home, **settings) as auditor:
        await once(auditor)
    assert auditor.last_error == "the secret NOT_SET_HERE for the header X is not set"


async def test_a_file_that_cannot_be_written_is_told_and_the_address_is_not_kept_waiting(
    database: Database, home: Path
) -> None:
    await add(database)
    file = home / "audit-anchors.jsonl"
    file.mkdir(parents=True)
    async with (
        safe(200) as address,
        auditor_of(database, home, anchor_url=address.url) as auditor,
    ):
        shown = await once(auditor)
        trouble = f"{file}: the anchor of row 1 was not written: Is a directory"
        assert (auditor.last_error, shown.lines[0][1]) == (trouble, trouble)
        assert len(address.taken) == 1
        file.rmdir()
        await add(database)
        await once(auditor)
    assert [anchor.seq for anchor in anchors.read(file).anchors] == [2]


@pytest.fixture
def damaged(home: Path) -> Path:
    """A file of anchors with a line that is none."""
    home.mkdir()
    path = home / "audit-anchors.jsonl"
    path.write_text("garbage\n")
    return path


async def test_a_file_that_was_damaged_is_told_at_the_start(
    database: Database, home: Path, damaged: Path
) -> None:
    async with auditor_of(database, home) as auditor:
        await once(auditor)
    assert auditor.last_error == f"{damaged}:1: the line is no anchor"


@pytest.mark.parametrize("again", [False, True])
async def test_a_chain_that_was_rewritten_is_told_at_once(
    database: Database, home: Path, again: bool
) -> None:
    """Also by a hub that starts after it happened."""
    await add(database, 2)
    async with auditor_of(database, home) as auditor:
        await once(auditor)
        if not again:
            await _rewrite(database)
            await once(auditor)
            await once(auditor)
    if again:
        await _rewrite(database)
        async with auditor_of(database, home) as auditor:
            await once(auditor)
    critical = [message for _, severity, message in await told(database) if severity == "critical"]
    assert critical == [
        "the audit chain was rewritten: row 2 is not the one that was anchored;"
        " `opslore audit verify` says where it begins"
    ]


async def test_a_chain_that_was_cut_is_told_to_people_and_does_not_pass_for_whole(
    database: Database, home: Path
) -> None:
    """The shorter chain is anchored too; whoever starts next still knows of the longer one."""
    await add(database, 3)
    people = (EscalationStep(notify="ann"), EscalationStep(notify="ann", after=timedelta(hours=1)))
    settings = AuditSettings(every=timedelta(seconds=1))
    for _ in range(2):
        auditor = Auditor("hub", database, settings, home, told=people)
        await auditor.start()
        await once(auditor)
        await database.execute(
            "ALTER TABLE action_history DISABLE TRIGGER refuse_change;"
            " DELETE FROM action_history WHERE seq = 3;"
            " ALTER TABLE action_history ENABLE ALWAYS TRIGGER refuse_change"
        )
        await once(auditor)
        await once(auditor)
        await auditor.stop()
    notices_sent = await notices.list_newest(database)
    assert [(one.contact, one.severity) for one in notices_sent] == [("ann", "critical")] * 2
    assert all("row 3 is gone" in one.subject for one in notices_sent)


async def test_a_chain_that_was_emptied_is_told_at_once(database: Database, home: Path) -> None:
    await add(database, 2)
    async with auditor_of(database, home) as auditor:
        await once(auditor)
        await _empty(database)
        await once(auditor)
    messages = [message for _, severity, message in await told(database) if severity == "critical"]
    assert [message.split(";")[0] for message in messages] == [
        "the audit chain was rewritten: row 2 is gone"
    ]


async def _rewrite(database: Database) -> None:
    await _empty(database)
    await add(database, 3)


async def _empty(database: Database) -> None:
    await database.execute(
        "ALTER TABLE action_history DISABLE TRIGGER refuse_change; TRUNCATE action_history;"
        "ALTER TABLE action_history ENABLE ALWAYS TRIGGER refuse_change"
    )
