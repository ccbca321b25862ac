"""`opslore credit` on a history whose right answer is worked out here."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from data import credit as recorded
from data.database import Database
from hub.commands.credit import credit
from hub.commands.outcome import Commands
from tests.documents import keys_by_heading
from tests.recorded import NOON, History, at

KEYS = keys_by_heading("docs/json.md")

app = typer.Typer(cls=Commands)
app.command("credit")(credit)
app.command("other")(lambda: None)


@pytest.fixture
def history(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[History]:
    monkeypatch.setenv("OPSLORE_HOME", str(tmp_path))
    monkeypatch.setenv("OPSLORE_DATABASE_URL", database_url)
    history = History(database_url)
    yield history
    history.close()


def _eight_restarts_and_ten_without(history: History) -> None:
    """Restarted after 60 s: seven recover within five minutes of it, one does not.

    Left alone and open after 60 s: two recover by 360 s, eight do not. A further one recovered
    before.
    """
    for n in range(8):
        start = n * 10_000.0
        incident = history.incident("a", opened=start, resolved=start + (100 if n < 7 else 900))
        history.attempt(incident, "a", requested=start + 60, succeeded=n < 7)
    for n in range(10):
        start = n * 10_000.0
        history.incident("b", opened=start, resolved=start + (300 if n < 2 else 900))
    history.incident("b", opened=5_000, resolved=5_020)


def test_restarts_are_credited_with_what_recovers_beyond_the_base_rate(history: History) -> None:
    _eight_restarts_and_ten_without(history)
    result = CliRunner().invoke(app, ["credit"])
    assert result.exit_code == 0, result.output
    assert re.split(r"\s{2,}", result.stdout.splitlines()[1]) == [
        "down",
        "restart",
        "1m",
        "7 of 8 (53 to 98 %)",
        "2 of 10 (6 to 51 %)",
        "+68 points (+21 to +85)",
        "helps",
    ]


def test_credit_as_json(history: History) -> None:
    _eight_restarts_and_ten_without(history)
    (found,) = json.loads(CliRunner().invoke(app, ["credit", "--json"]).stdout)
    assert (found["kind"], found["action"], found["landmark"]) == ("down", "restart", 60.0)
    assert (found["with_action"]["recovered"], found["with_action"]["cases"]) == (7, 8)
    assert (found["without"]["recovered"], found["without"]["cases"]) == (2, 10)
    assert found["verdict"] == "helps"
    assert found.keys() == KEYS["opslore credit"]
    assert found["with_action"].keys() == KEYS["opslore credit / each of its sides"]


def test_without_any_action_it_says_so(history: History) -> None:
    history.incident("a", opened=0, resolved=10)
    result = CliRunner().invoke(app, ["credit", "--since", "7d"])
    assert result.stdout == "nothing was carried out in an incident of the last 7d\n"


def test_a_duration_without_a_unit_is_refused(history: History) -> None:
    result = CliRunner().invoke(app, ["credit", "--within", "5"])
    assert result.exit_code == 2
    assert "must be a duration" in result.stderr


async def test_what_was_suppressed_is_no_case(history: History, database: Database) -> None:
    """Explained by another incident, silenced, and of the three the one that counts."""
    cause = history.incident("a", opened=0, resolved=100)
    history.incident("b", opened=0, resolved=100, cause=cause)
    silenced = history.incident("c", opened=0, resolved=100)
    history.decision(silenced, "suppress", "matched", decided=1)
    cases = await recorded.load_cases(database, since=NOON, until=at(10), now=at(10_000))
    assert [case.opened_at for case in cases] == [at(0)]


async def test_a_dry_run_is_no_action(history: History, database: Database) -> None:
    incident = history.incident("a", opened=0, resolved=100)
    history.attempt(incident, "a", requested=10, dry_run=True)
    (case,) = await recorded.load_cases(database, since=NOON, until=at(10), now=at(10_000))
    assert case.carried == ()


async def test_an_end_without_recovery_is_none(history: History, database: Database) -> None:
    """One got worse, which is seen to the end; one was not watched any more."""
    history.incident("a", "degraded", opened=0, resolved=100, resolution="went down")
    history.incident("b", opened=1, resolved=100, resolution="no longer watched")
    now = at(10_000)
    cases = await recorded.load_cases(database, since=NOON, until=at(10), now=now)
    assert [(case.recovered_at, case.seen_until) for case in cases] == [
        (None, now),
        (None, at(100)),
    ]


async def test_only_what_is_asked_for_is_told(history: History, database: Database) -> None:
    for kind, action in (("down", "restart"), ("down", "rollback"), ("memory", "restart")):
        incident = history.incident("a", kind, opened=len(kind + action), resolved=100)
        history.attempt(incident, "a", action, requested=50)
    since = NOON - timedelta(days=1)
    found = await recorded.load(database, since=since, kind="down", action="restart")
    assert [(one.kind, one.action) for one in found] == [("down", "restart")]
