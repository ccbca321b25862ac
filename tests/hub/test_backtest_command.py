"""`opslore rules backtest` on a history whose right answer is worked out here."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from hub.commands.backtest import backtest
from hub.commands.outcome import Commands
from tests.documents import keys_by_heading
from tests.recorded import NOON, History

app = typer.Typer(cls=Commands)
app.command("backtest")(backtest)
app.command("other")(lambda: None)

KEYS = keys_by_heading("docs/json.md")

RULES = """
rules:
  - name: restart-what-is-down
    when: {kind: down}
    then: {action: restart, retry: {max_attempts: 1}}
    examples: [{given: {kind: down}, expect: run}, {given: {kind: cpu}, expect: no_match}]
"""
OTHER = """
rules:
  - name: tell-somebody
    when: {kind: down}
    then: {escalate: a person looks first}
    examples: [{given: {kind: down}, expect: escalate}, {given: {kind: cpu}, expect: no_match}]
"""
RESTART = {"restart": {"driver": "http", "url": "http://127.0.0.1:1/restart"}}


@pytest.fixture
def history(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[History]:
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "outage.yaml").write_text(RULES)
    (tmp_path / "other.yaml").write_text(OTHER)
    (tmp_path / "hub.yaml").write_text("prefect: {enabled: false}\n")
    monkeypatch.setenv("OPSLORE_HOME", str(tmp_path))
    monkeypatch.setenv("OPSLORE_HUB", str(tmp_path / "hub.yaml"))
    monkeypatch.setenv("OPSLORE_RULES", str(tmp_path))
    monkeypatch.setenv("OPSLORE_DATABASE_URL", database_url)
    monkeypatch.chdir(tmp_path)
    history = History(database_url)
    yield history
    history.close()


def _an_hour(history: History) -> None:
    """An outage that was restarted, one that recovered by itself in 20 s, and a slow service."""
    history.project("a", autonomy="auto", actions=RESTART)
    history.project("b", autonomy="auto", actions=RESTART)
    restarted = history.incident("a", opened=0, resolved=60)
    history.attempt(restarted, "a", requested=1, took=59, rule="restart-what-is-down")
    history.decision(restarted, "run", "matched", decided=1, rule="old-rule", action="restart")
    history.incident("b", opened=600, resolved=620)
    slow = history.incident("b", "latency", opened=900, resolved=1_500, severity="warning")
    history.anomaly(slow, "b", "response_ms", 3_000, started=900, ended=1_500)


def _run(*arguments: str) -> Result:
    result = CliRunner().invoke(app, ["backtest", *arguments, "--since", "7d"])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def _json(*arguments: str) -> dict[str, object]:
    result = _run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    made: dict[str, object] = json.loads(result.stdout)
    return made


def test_a_backtest_says_in_one_sentence_what_a_rule_would_have_done(history: History) -> None:
    _an_hour(history)
    made = _json("library")
    rules = made["rules"]
    assert isinstance(rules, list)
    assert [one["sentence"] for one in rules] == [
        "would have run 2 restarts, 1 on a service that recovered by itself in 20 s"
    ]
    assert (made["incidents"], made["anomalies"]) == (3, 1)


def test_a_backtest_is_set_beside_what_was_done(history: History) -> None:
    _an_hour(history)
    beside = _json("library")["against_record"]
    assert isinstance(beside, dict)
    assert (beside["same_action"], beside["would_act"], beside["other_step"]) == (1, 1, 1)


def test_a_backtest_says_how_true_the_replay_is(history: History) -> None:
    """The attempt is come to, the decision of a rule that is gone is not."""
    _an_hour(history)
    found = _json("library")["fidelity"]
    assert isinstance(found, dict)
    assert (found["ratio"], found["why"]) == (0.5, {"other_version": 1})


def test_two_files_are_compared(history: History) -> None:
    _an_hour(history)
    beside = _json("other.yaml", "--compare", "library")["against_other"]
    assert isinstance(beside, dict)
    assert (beside["would_not_act"], beside["neither_acts"]) == (2, 1)


def test_only_one_project_is_told_of(history: History) -> None:
    _an_hour(history)
    assert _json("library", "--project", "a")["incidents"] == 1


def test_a_stretch_of_time_is_given_in_instants_too(history: History) -> None:
    _an_hour(history)
    until = f"{NOON:%Y-%m-%dT%H:%M:%S}".replace(":00:00", ":05:00")
    assert _json("library", "--until", until)["incidents"] == 1


def test_every_key_of_a_backtest_is_documented(history: History) -> None:
    _an_hour(history)
    made: Any = _json("library", "--compare", "other.yaml")
    heading = "opslore rules backtest"
    assert made.keys() == KEYS[heading]
    assert made["rules"][0].keys() == KEYS[f"{heading} / each of its rules"]
    assert made["against_record"].keys() == KEYS[f"{heading} / each of its comparisons"]
    assert made["against_other"].keys() == KEYS[f"{heading} / each of its comparisons"]
    assert made["fidelity"].keys() == KEYS[f"{heading} / its fidelity"]


def test_a_backtest_for_people(history: History) -> None:
    _an_hour(history)
    text = _run("library", "--compare", "other.yaml").stdout
    assert "incidents: 3, anomalies: 1, replayed in" in text
    assert "would have run 2 restarts" in text
    assert "fidelity 50.0 %" in text
    assert "an action where nothing was done" in text
    assert "Of any other attempt nothing is claimed" in text


def test_a_rule_file_with_a_fault_is_refused_with_its_line(history: History) -> None:
    Path("broken.yaml").write_text("rules:\n  - name: x\n    when: {kind: down}\n")
    result = _run("broken.yaml")
    assert result.exit_code == 1
    assert "broken.yaml:2" in result.stderr


def test_an_empty_record_has_nothing_to_replay(history: History) -> None:
    text = _run("library").stdout
    assert "incidents: 0" in text
    assert "would never have matched" in text
