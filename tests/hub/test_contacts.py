"""`opslore contacts` as a person uses it: no address is shown, a test message really goes out."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.documents import keys_by_heading
from tests.inbox import Inbox
from tests.programs import ROOT

KEYS = keys_by_heading("docs/json.md")
RUN = "from hub.commands.contacts import app; app()"


class Ended(NamedTuple):
    """What a command said, and its exit code."""

    code: int
    output: str

    @property
    def document(self) -> Any:
        return json.loads(self.output)


@pytest.fixture
async def inbox() -> AsyncIterator[Inbox]:
    async with Inbox() as inbox:
        yield inbox


@pytest.fixture
def hub_file(tmp_path: Path, inbox: Inbox) -> Path:
    path = tmp_path / "hub.yaml"
    path.write_text(
        "contacts:\n"
        "  oncall:\n"
        '    urls: ["${ONCALL_URL}"]\n'
        '    quiet_hours: {from: "22:00", until: "07:00", timezone: Europe/Berlin}\n'
        f"  lead: {{urls: ['{inbox.url}?+Key=hunter2', '${{GONE}}']}}\n"
    )
    return path


async def _contacts(hub_file: Path, *arguments: str, **environ: str) -> Ended:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", RUN, *arguments),
        env={**os.environ, "OPSLORE_HUB": str(hub_file), **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=ROOT,
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, output.decode())


async def test_contacts_are_listed_without_their_addresses(hub_file: Path) -> None:
    ended = await _contacts(hub_file, "list")
    assert ended.code == 0
    assert "hunter2" not in ended.output
    assert "22:00 to 07:00 Europe/Berlin, except critical" in ended.output
    listed = (await _contacts(hub_file, "list", "--json")).document
    assert [(one["name"], one["services"]) for one in listed] == [
        ("oncall", ["ONCALL_URL"]),
        ("lead", ["json", "GONE"]),
    ]
    assert listed[0].keys() == KEYS["opslore contacts list"]


async def test_a_test_message_arrives(hub_file: Path, inbox: Inbox) -> None:
    ended = await _contacts(hub_file, "test", "oncall", ONCALL_URL=inbox.url)
    assert (ended.code, ended.output) == (0, "oncall over ONCALL_URL: accepted\n")
    assert inbox.titles == ["[test] Opslore reaches oncall"]


async def test_an_address_that_takes_nothing_is_told_and_fails(
    hub_file: Path, inbox: Inbox
) -> None:
    ended = await _contacts(hub_file, "test", "lead", "--json")
    assert ended.code == 1
    assert ended.document == {
        "contact": "lead",
        "arrived": False,
        "addresses": [
            {"service": "json", "error": None},
            {"service": "GONE", "error": "neither GONE nor GONE_FILE is set"},
        ],
    }
    assert ended.document.keys() == KEYS["opslore contacts test"]
    assert len(inbox.received) == 1


async def test_a_contact_that_does_not_exist_is_not_found(hub_file: Path) -> None:
    ended = await _contacts(hub_file, "test", "oncal")
    assert ended.code == 4
    assert ended.output.strip().endswith("did you mean oncall?")
