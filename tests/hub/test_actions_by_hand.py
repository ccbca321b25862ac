"""`opslore actions run` with a hub that really carries it out."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from data import agents
from data.database import Database
from tests.hub.test_commands import Terminal
from tests.programs import ROOT

PROJECTS = """
projects:
  - name: a
    url: http://127.0.0.1:1
    autonomy: observe
    actions:
      touch:
        driver: command
        argv: [touch, "{file}"]
        risk: reversible
        parameters: {file: {type: text}}
      fail: {driver: command, argv: ["false"], risk: reversible}
      wipe: {driver: command, argv: [touch, wiped], risk: destructive}
"""


class Shop(Terminal):
    """A terminal beside a hub that runs."""

    def act(self, *arguments: str, code: int = 0) -> str:
        result = self.run("actions", "run", "a", *arguments, "--reason", "to see")
        assert result.exit_code == code, result.output
        return result.output


@pytest.fixture
def shop(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    made = Shop(folder=tmp_path, database_url=database_url)
    made.write("projects.yaml", PROJECTS)
    made.write("hub.yaml", "listen: {port: 0}\npolling: {heartbeat: 500ms}\n")
    for name, value in {
        "OPSLORE_HOME": str(tmp_path / "home"),
        "OPSLORE_DATABASE_URL": database_url,
        "OPSLORE_PROJECTS": str(tmp_path / "projects.yaml"),
        "OPSLORE_HUB": str(tmp_path / "hub.yaml"),
        "PREFECT_API_URL": "",
        "LOGNAME": "anna",
    }.items():
        monkeypatch.setenv(name, value)
    with (tmp_path / "hub.log").open("wb") as log:
        hub = subprocess.Popen(
            [sys.executable, "-m", "hub.main", "hub", "--name", "h"],
            env=dict(os.environ),
            stdout=log,
            stderr=log,
            cwd=ROOT,
        )
        try:
            _wait_for_the_responder(made)
            yield made
        finally:
            hub.terminate()
            assert hub.wait(20) == 0, (tmp_path / "hub.log").read_text()


def _wait_for_the_responder(terminal: Terminal) -> None:
    async def works(database: Database) -> bool:
        rows = await agents.list_all(database)
        return any((row.agent, row.state) == ("responder", "running") for row in rows)

    deadline = time.monotonic() + 40
    while not terminal.record(works):
        assert time.monotonic() < deadline, (terminal.folder / "hub.log").read_text()
        time.sleep(0.2)


def test_what_a_person_asks_for_is_done_and_told(shop: Shop) -> None:
    """Done, not done, only described, withdrawn: each is told, with an exit code that fits."""
    file = shop.folder / "made"
    done = shop.act("touch", "--param", f"file={file}")
    assert re.match(r"touch a: completed: .* \(attempt [0-9a-f]{8}\)\n", done)
    assert file.exists()

    failed = shop.act("fail", code=1)
    assert failed.startswith("fail a: failed: ")

    other = shop.folder / "other"
    described = shop.act("touch", "--param", f"file={other}", "--dry-run")
    assert "would have been: " in described
    assert not other.exists()

    result = shop.run("actions", "run", "a", "wipe", "--dry-run", "--reason", "x", "--json")
    assert json.loads(result.stdout)["state"] == "completed"

    steps = [one["state"] for one in reversed(shop.json("actions", "list"))]
    assert steps == ["completed", "failed", "completed", "completed"]
    newest = shop.json("actions", "list")[-1]["id"]
    moves = [step["to_state"] for step in shop.json("actions", "show", newest)["steps"]]
    assert moves == ["approved", "executing", "completed"]
    actors = [step["actor"] for step in shop.json("actions", "show", newest)["steps"]]
    assert actors == ["anna", "h", "h"]
