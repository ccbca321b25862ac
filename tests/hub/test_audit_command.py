"""`opslore audit …` as a user runs it: what it says of a history, and its exit code."""

import asyncio
import csv
import json
import re
import subprocess
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, LiteralString, get_args
from uuid import UUID, uuid4

import pytest
import typer
from typer.testing import CliRunner, Result

from config.hub_file import HubSettings
from config.validation import Origin, examine
from config.yaml_source import parse_yaml
from data import anchors, audit_chain
from data.anchors import Anchor
from data.audit_chain import NewEntry
from data.chain_walk import BreachKind
from data.database import Database
from hub.commands import audit
from hub.commands.outcome import Commands
from tests.documents import ROOT, keys_by_heading, rows

app = typer.Typer(cls=Commands)
app.add_typer(audit.app, name="audit")

KEYS = keys_by_heading("docs/json.md")
AUDIT = (ROOT / "docs" / "audit.md").read_text()
HOSTILE = 'x\r\n"y";\t\\N,=1+1 ü\u2028\u202e'


@dataclass(kw_only=True)
class Terminal:
    """Runs commands in this process, with a database of one's own."""

    folder: Path
    database_url: str

    @property
    def anchors(self) -> Path:
        return self.folder / "home" / "audit-anchors.jsonl"

    def run(self, *arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, ["audit", *arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit)
        assert result.exit_code == code, result.output
        return result

    def text(self, *arguments: str, code: int = 0) -> str:
        return self.run(*arguments, code=code).output

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", code=code).stdout)

    def record(self, work: Callable[[Database], Coroutine[Any, Any, Any]]) -> Any:
        async def do() -> Any:
            async with Database(self.database_url) as database:
                return await work(database)

        return asyncio.run(do())

    def tamper(self, statement: LiteralString) -> None:
        self.record(
            lambda database: database.execute(
                "ALTER TABLE action_history DISABLE TRIGGER ALL;"
                f"{statement};"
                "ALTER TABLE action_history ENABLE TRIGGER ALL;"
                "ALTER TABLE action_history ENABLE ALWAYS TRIGGER refuse_change;"
                "ALTER TABLE action_history ENABLE ALWAYS TRIGGER chain_action"
            )
        )

    def anchor(self) -> Anchor:
        head = self.record(audit_chain.head)
        made = Anchor(
            seq=head.seq, hash=head.hash, at=datetime.now(UTC), hub="h", database=head.database
        )
        anchors.append(self.anchors, made)
        return made


@pytest.fixture
def terminal(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    made = Terminal(folder=tmp_path, database_url=database_url)
    monkeypatch.setenv("OPSLORE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OPSLORE_DATABASE_URL", database_url)
    monkeypatch.delenv("OPSLORE_HUB", raising=False)
    entries = [
        NewEntry(
            action_id=uuid4(),
            project="a" if number < 3 else "b",
            action="restart",
            from_state=[None, "\\N", "\\\\", ""][number],
            to_state="pending",
            actor="hub",
            reason=HOSTILE,
            details={"n": number, HOSTILE: 1.50},
        )
        for number in range(4)
    ]

    async def write(database: Database) -> None:
        async with database.transaction() as connection:
            await audit_chain.append(connection, entries)

    made.record(write)
    return made


def test_a_history_without_anchors_is_intact_as_far_as_one_can_tell(terminal: Terminal) -> None:
    said = terminal.text("verify")
    assert "the history is intact: 4 rows, the last is 4" in said
    assert "no anchor covers it" in said
    assert f"there is no file of anchors at {terminal.anchors}" in said


def test_it_says_how_much_no_anchor_covers_yet(terminal: Terminal) -> None:
    anchor = terminal.anchor()
    anchors.append(terminal.anchors, replace(anchor, database=UUID(int=1)))
    terminal.record(_add)
    said = terminal.text("verify")
    assert "anchored up to row 4, not yet: 1" in said
    assert "anchors of other records, not used: 1" in said
    facts = terminal.json("verify")
    assert (facts["intact"], facts["rows"], facts["unanchored_rows"]) == (True, 5, 1)
    assert facts["database"] == str(anchor.database)


def test_a_changed_row_is_named_with_what_was_expected_and_found(terminal: Terminal) -> None:
    terminal.tamper("UPDATE action_history SET actor = 'nobody' WHERE seq = 2")
    said = terminal.text("verify", code=1)
    assert "row 2 was changed: its content does not have its hash\n  expected " in said
    (breach,) = terminal.json("verify", code=1)["breaches"]
    assert (breach["kind"], breach["seq"]) == ("changed", 2)
    assert breach["expected"] in said
    assert breach["found"] in said


def test_every_key_of_a_verdict_and_of_a_row_is_documented(terminal: Terminal) -> None:
    (newest, *_) = terminal.json("list")
    assert newest.keys() == KEYS["opslore audit list"]
    terminal.tamper("UPDATE action_history SET actor = 'nobody' WHERE seq = 2")
    facts = terminal.json("verify", code=1)
    assert facts.keys() == KEYS["opslore audit verify"]
    assert facts["breaches"][0].keys() == KEYS["opslore audit verify / each of its breaches"]


def test_an_emptied_history_is_found_by_the_anchors_of_this_machine(terminal: Terminal) -> None:
    terminal.anchor()
    terminal.tamper("TRUNCATE action_history")
    assert "rows 1 to 4 are missing at the end: row 4 was anchored by h at" in terminal.text(
        "verify", code=1
    )


def test_anchors_that_are_named_must_be_of_this_record(terminal: Terminal) -> None:
    """Who exchanges the record and its identity does not get by."""
    terminal.anchor()
    terminal.record(
        lambda database: database.execute(
            "ALTER TABLE record_identity DISABLE TRIGGER ALL;"
            "UPDATE record_identity SET id = gen_random_uuid();"
            "ALTER TABLE record_identity ENABLE ALWAYS TRIGGER refuse_change"
        )
    )
    said = terminal.text("verify", "--anchors", str(terminal.anchors), code=1)
    assert "none of the 1 anchors is of this record" in said


def test_damage_to_the_file_of_anchors_is_named(terminal: Terminal) -> None:
    terminal.anchor()
    terminal.anchors.write_text(terminal.anchors.read_text() + "x\n")
    said = terminal.text("verify", code=1)
    assert f"{terminal.anchors}:2: the line is no anchor" in said


def test_a_file_of_anchors_that_is_not_there_is_named(terminal: Terminal) -> None:
    missing = terminal.folder / "none"
    said = terminal.text("verify", "--anchors", str(missing), code=1)
    assert said == f"{missing}: the anchors cannot be read: No such file or directory\n"


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_an_export_can_be_verified_without_the_record(
    terminal: Terminal, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = terminal.folder / "export"
    anchor = terminal.anchor()
    assert terminal.text("export", "--format", form, "--output", str(file)) == (
        f"4 rows are in {file}\n"
    )
    assert file.stat().st_mode & 0o777 == 0o600
    assert terminal.run("export", "--format", form).stdout_bytes == file.read_bytes()
    monkeypatch.setenv("OPSLORE_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    assert "intact: 4 rows" in terminal.text("verify", "--export", str(file))
    facts = terminal.json("verify", "--export", str(file), "--anchors", str(terminal.anchors))
    assert (facts["head_hash"], facts["anchored_seq"]) == (anchor.hash, 4)


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_a_line_that_was_taken_out_of_an_export_is_named(terminal: Terminal, form: str) -> None:
    file = terminal.folder / "export"
    terminal.run("export", "--format", form, "--output", str(file))
    if form == "jsonl":
        lines = file.read_text().splitlines(keepends=True)
        file.write_text("".join([*lines[:1], *lines[2:]]))
    else:
        with file.open(newline="") as read:
            rows = list(csv.reader(read))
        with file.open("w", newline="") as written:
            csv.writer(written).writerows([*rows[:2], *rows[3:]])
    assert "row 2 is missing" in terminal.text("verify", "--export", str(file), code=1)
    assert "intact: 3 rows" in terminal.text("verify", "--export", str(file), "--partial")


def test_a_word_that_was_changed_in_an_export_is_named(terminal: Terminal) -> None:
    file = terminal.folder / "export"
    terminal.run("export", "--project", "b", "--output", str(file))
    file.write_text(file.read_text().replace('"restart"', '"rollback"'))
    said = terminal.text("verify", "--export", str(file), "--partial", code=1)
    assert "row 4 was changed" in said


def test_an_export_of_rows_since_an_instant_leaves_out_those_before(terminal: Terminal) -> None:
    assert terminal.run("export", "--since", "2999-01-01").stdout == ""


def test_an_export_overwrites_nothing(terminal: Terminal) -> None:
    file = terminal.folder / "export"
    file.write_text("mine")
    said = terminal.text("export", "--output", str(file), code=1)
    assert said == f"{file}: it cannot be written: File exists\n"
    assert file.read_text() == "mine"


@pytest.mark.parametrize(
    "text", ["nonsense", "{}\n", "[]", '{"seq": 1}', "a,b\n1,2\n", '"\n', "{" * 100_000]
)
def test_a_file_that_is_no_export_is_named(terminal: Terminal, text: str) -> None:
    file = terminal.folder / "export"
    file.write_text(text)
    said = terminal.text("verify", "--export", str(file), code=1)
    assert said.startswith(str(file))
    assert "it is no " in said


def test_the_script_of_the_document_verifies_an_export(terminal: Terminal) -> None:
    (script,) = re.findall(r"```python\n(.*?)```", AUDIT, re.S)
    file = terminal.folder / "export"
    terminal.run("export", "--output", str(file))

    def check() -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-c", script, str(file)], capture_output=True, text=True, check=False
        )

    head = terminal.record(audit_chain.head)
    assert check().stdout == f"4 rows, the last hash is {head.hash}\n"
    file.write_text(
        file.read_text().replace('"n": 2', '"n": 3').replace('\\"n\\": 2', '\\"n\\": 3')
    )
    assert check().stderr == "row 3 is broken\n"


def test_every_kind_of_breach_is_documented() -> None:
    assert set(get_args(BreachKind)) == set(rows("docs/audit.md"))


def test_the_settings_of_the_document_are_valid() -> None:
    (example,) = re.findall(r"```yaml\naudit:\n(.*?)```", AUDIT, re.S)
    document = parse_yaml(f"audit:\n{example}", "audit.md")
    found, faults = examine(HubSettings, document.value, Origin(document))
    assert faults == []
    assert found is not None
    assert found.audit.anchor_url == "https://audit.example.com/anchors"


def test_the_newest_entries_are_listed_first(terminal: Terminal) -> None:
    said = terminal.text("list", "--limit", "2")
    assert [line.split()[0] for line in said.splitlines()] == ["ROW", "4", "3"]
    listed = terminal.json("list", "--project", "a")
    assert [entry["seq"] for entry in listed] == [3, 2, 1]
    assert listed[0]["reason"] == HOSTILE


def test_a_record_without_a_chain_is_not_given_one_by_verifying_it(
    terminal: Terminal, cluster_url_empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSLORE_DATABASE_URL", cluster_url_empty)
    for command in ("verify", "export"):
        said = terminal.text(command, code=1)
        assert said == "The record has no audit chain yet: run `opslore db migrate`.\n"


async def _add(database: Database) -> None:
    async with database.transaction() as connection:
        entry = NewEntry(
            action_id=uuid4(),
            project="a",
            action="pause",
            to_state="pending",
            actor="h",
            reason="r",
        )
        await audit_chain.append(connection, [entry])
