"""Every command as a user runs it: what it prints, as text and as JSON, and its exit code."""

import asyncio
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from config.projects_file import validate_project
from data import anomalies, events, incidents, projects, samples, system_health
from data.anomalies import Finding
from data.database import Database
from data.embedded import EmbeddedPostgres
from data.events import NewEvent
from data.incidents import Problem
from data.records import HealthSample, MetricSample
from data.system_health import Vitals
from hub.main import app
from hub.version import VERSION
from tests.documents import keys_by_heading
from tests.programs import ROOT

OPSLORE = Path(sys.executable).with_name("opslore")
KEYS = keys_by_heading("docs/json.md")
FORGED = "2026-01-01 00:00:00  ProjectRecovered all is well"
HOSTILE = f"\x1b[2J[red]fine[/red] :smile:\r\n{FORGED}\u202e\a"
SHOWN = rf"\x1b[2J[red]fine[/red] :smile:\r\n{FORGED}\u202e\x07"
NOW = datetime.now(UTC)


@dataclass(kw_only=True)
class Terminal:
    """Runs commands in this process, in a folder and with a database of one's own."""

    folder: Path
    database_url: str

    def run(self, *arguments: str) -> Result:
        result = CliRunner().invoke(app, arguments)
        assert result.exception is None or isinstance(result.exception, SystemExit), (
            f"opslore {' '.join(arguments)} ended with {result.exception!r}"
        )
        return result

    def text(self, *arguments: str) -> str:
        """Return what a command printed that went well and complained of nothing."""
        result = self.run(*arguments)
        assert (result.exit_code, result.stderr) == (0, "")
        return result.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.text(*arguments, "--json"))

    def fails(self, code: int, *arguments: str) -> str:
        """Return the one line in which a command said why it failed."""
        result = self.run(*arguments)
        assert (result.exit_code, result.stdout) == (code, "")
        (line,) = result.stderr.splitlines()
        return line

    def record(self, work: Callable[[Database], Coroutine[Any, Any, Any]]) -> Any:
        """Do something to the record that the commands will see."""

        async def do() -> Any:
            async with Database(self.database_url) as database:
                return await work(database)

        return asyncio.run(do())

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)


@pytest.fixture
def terminal(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    made = Terminal(folder=tmp_path, database_url=database_url)
    made.write("projects.yaml", "projects:\n  - {name: a, url: 'http://127.0.0.1:1'}\n")
    made.write("hub.yaml", "listen: {port: 0}\nprefect: {enabled: false}\n")
    for name, value in {
        "OPSLORE_HOME": str(tmp_path / "home"),
        "OPSLORE_DATABASE_URL": database_url,
        "OPSLORE_PROJECTS": str(tmp_path / "projects.yaml"),
        "OPSLORE_HUB": str(tmp_path / "hub.yaml"),
        "PREFECT_API_URL": "",
    }.items():
        monkeypatch.setenv(name, value)
    return made


def event(message: str, kind: Any = "ProjectDown", project: str | None = "a") -> NewEvent:
    return NewEvent(
        occurred_at=NOW,
        hub="h",
        agent="health-monitor",
        kind=kind,
        severity="critical",
        project=project,
        message=message,
    )


async def open_incident(database: Database, title: str = "a: CPU is high") -> int:
    """Open an incident with an anomaly and an event, and return its number."""
    finding = Finding(
        project="a",
        kind="cpu",
        metric="cpu_percent",
        detector="threshold",
        direction="above",
        severity="warning",
        value=91.0,
        threshold=80.0,
        time_window=timedelta(seconds=90),
        reason="cpu_percent above 80 in 2 of the last 3 samples",
        at=NOW,
    )
    problem = Problem(project="a", kind="cpu", severity="warning", title=title, at=NOW)
    async with database.transaction() as connection:
        (opened,) = await incidents.open_or_update(connection, [problem])
        await anomalies.begin(connection, [(finding, opened.id)])
        detected = replace(event(title, kind="AnomalyDetected"), incident_id=opened.id)
        await events.append(connection, [detected])
    return opened.id


# What each command prints


def test_version(terminal: Terminal) -> None:
    assert terminal.text("version").startswith(f"opslore {VERSION}, Python 3.")
    assert terminal.json("version").keys() == KEYS["opslore version"]


def test_the_console_script_is_installed() -> None:
    done = subprocess.run([OPSLORE, "version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("opslore ")


@pytest.mark.parametrize("noun", [[], ["projects"], ["incidents"], ["db"]])
def test_a_noun_alone_shows_what_can_be_done_with_it(terminal: Terminal, noun: list[str]) -> None:
    result = terminal.run(*noun)
    assert result.exit_code == 2
    assert "Commands" in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["incidents", "show", "seven"],
        ["events", "--limit", "0"],
        ["demo", "--faults", "plague"],
        ["projects", "add", "a"],
    ],
)
def test_wrong_usage_is_exit_code_2(terminal: Terminal, arguments: list[str]) -> None:
    assert terminal.run(*arguments).exit_code == 2


def test_projects_are_added_listed_paused_resumed_and_removed(terminal: Terminal) -> None:
    assert terminal.text("projects", "add", "b", "http://127.0.0.1:9", "--tag", "x") == "b: added\n"
    assert terminal.text("projects", "pause", "b") == "b: paused\n"
    assert terminal.text("projects", "pause", "b") == "b: was paused already\n"
    assert " paused " in terminal.text("projects", "list")
    assert terminal.text("projects", "resume", "b") == "b: resumed\n"
    assert terminal.text("projects", "resume", "b") == "b: was not paused\n"
    (listed,) = terminal.json("projects", "list")
    assert (listed["name"], listed["spec"]["tags"], listed["paused"]) == ("b", ["x"], False)
    assert listed.keys() == KEYS["opslore projects list"]
    assert terminal.text("projects", "remove", "b") == "b: removed\n"
    assert terminal.json("projects", "list") == []


def test_each_change_of_a_project_is_told_as_json(terminal: Terminal) -> None:
    told = [
        terminal.json("projects", "add", "b", "http://127.0.0.1:9"),
        terminal.json("projects", "pause", "b"),
        terminal.json("projects", "resume", "b"),
        terminal.json("projects", "remove", "b"),
    ]
    assert [one["outcome"] for one in told] == ["added", "paused", "resumed", "removed"]
    assert all(one.keys() == KEYS["opslore projects add"] for one in told)


def test_the_list_of_projects_shows_what_was_measured(terminal: Terminal) -> None:
    async def measure(database: Database) -> None:
        await projects.add(database, validate_project({"name": "b", "url": "http://b"}))
        health = HealthSample(
            project="b", recorded_at=NOW, status="healthy", response_ms=12.3, http_status=200
        )
        metrics = MetricSample(project="b", recorded_at=NOW, cpu_percent=33.0)
        await samples.append(database, [health], [metrics])

    terminal.record(measure)
    heading, row = terminal.text("projects", "list").splitlines()
    assert heading.split()[:3] == ["PROJECT", "STATUS", "SINCE"]
    assert row.split()[0] == "b"
    assert "100.00 %" in row
    assert "12 ms" in row
    assert "33 %" in row
    (listed,) = terminal.json("projects", "list")
    assert (listed["response_ms"], listed["uptime_24h_percent"]) == (pytest.approx(12.3), 100)


def test_a_table_has_one_line_for_each_row_however_narrow_the_terminal(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    for name in ("chatbot-of-the-north", "chatbot-of-the-south"):
        terminal.text("projects", "add", name, "http://127.0.0.1:9")
    heading, *names = terminal.text("projects", "list").splitlines()
    assert [line.split()[0] for line in names] == ["chatbot-of-the-north", "chatbot-of-the-south"]
    assert {line.index(" database") for line in names} == {heading.index(" OWNER")}


def test_events_are_shown_oldest_first_with_filters(terminal: Terminal) -> None:
    terminal.record(
        lambda database: events.record(
            database,
            event("a is down"),
            event("a is up", kind="ProjectRecovered"),
            event("b is down", project="b"),
        )
    )
    lines = terminal.text("events").splitlines()
    assert [line.split(maxsplit=3)[3] for line in lines] == ["a is down", "a is up", "b is down"]
    assert terminal.text("events", "--limit", "1").count("\n") == 1
    assert terminal.text("events", "--project", "b").endswith("ProjectDown        b is down\n")
    printed = terminal.text("events", "--kind", "ProjectRecovered", "--json").splitlines()
    (found,) = map(json.loads, printed)
    assert found.keys() == KEYS["opslore events"]
    assert found["message"] == "a is up"


def test_incidents_are_listed_and_taken_apart(terminal: Terminal) -> None:
    number = terminal.record(open_incident)
    assert f"{number} " in terminal.text("incidents", "list", "--open", "--project", "a")
    (listed,) = terminal.json("incidents", "list")
    assert listed.keys() == KEYS["opslore incidents list"]
    shown = terminal.text("incidents", "show", str(number))
    assert f"incident {number}: a: CPU is high" in shown
    assert "cpu_percent above 80 in 2 of the last 3 samples; the worst was 91" in shown
    whole = terminal.json("incidents", "show", str(number))
    assert whole.keys() == KEYS["opslore incidents show"]
    (anomaly,) = whole["anomalies"]
    assert anomaly.keys() == KEYS["opslore incidents show / each of its anomalies"]
    assert anomaly["time_window"] == 90


def test_an_incident_is_suppressed_while_the_one_that_explains_it_is_open(
    terminal: Terminal,
) -> None:
    cause = terminal.record(open_incident)

    async def explain(database: Database) -> None:
        problem = Problem(project="a", kind="down", severity="critical", title="a is down", at=NOW)
        async with database.transaction() as connection:
            (opened,) = await incidents.open_or_update(connection, [problem])
            await incidents.suppress_by_incident(connection, cause, [opened.id])

    terminal.record(explain)
    assert " suppressed " in terminal.text("incidents", "list", "--open")
    terminal.text("incidents", "resolve", str(cause), "--reason", "over", "--by", "ann")
    (left,) = terminal.json("incidents", "list", "--open")
    assert (left["cause_incident_id"], left["is_explained"]) == (cause, False)
    assert " suppressed " not in terminal.text("incidents", "list", "--open")


def test_migrations_are_applied_once(
    terminal: Terminal, cluster_url_empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSLORE_DATABASE_URL", cluster_url_empty)
    names = sorted(path.stem for path in (ROOT / "data" / "migrations").glob("*.sql"))
    before = terminal.run("db", "status")
    assert before.exit_code == 1
    assert [line.split() for line in before.stdout.splitlines()] == [[n, "missing"] for n in names]
    applied = terminal.json("db", "migrate")
    assert applied == {"applied": names}
    assert applied.keys() == KEYS["opslore db migrate"]
    assert terminal.text("db", "migrate") == "the record is up to date\n"
    after = terminal.text("db", "status").splitlines()
    assert [line.split() for line in after] == [[name, "applied"] for name in names]
    assert terminal.json("db", "status")[0].keys() == KEYS["opslore db status"]


def test_check_of_good_files(terminal: Terminal) -> None:
    hub, rules, projects = terminal.text("check").splitlines()
    assert hub.endswith("hub.yaml is valid, contacts in it: 0")
    assert re.search(r"is valid, rules in it: \d+$", rules)
    assert projects.endswith("projects.yaml is valid, projects in it: 1")
    assert terminal.json("check") == {"projects": 1, "faults": [], "warnings": []}


def test_check_of_broken_files_prints_every_fault_of_both(terminal: Terminal) -> None:
    terminal.write("projects.yaml", "projects:\n  - name: a\n    url: nonsense\n    colour: red\n")
    terminal.write("hub.yaml", "polling: {cycle: 1}\n")
    result = terminal.run("check")
    assert result.exit_code == 1
    *faults, valid = result.stdout.splitlines()
    assert "is valid, rules in it: " in valid
    places = [line.split(" ")[0] for line in faults]
    assert [Path(place).name for place in places] == [
        "hub.yaml:1:",
        "projects.yaml:3:",
        "projects.yaml:4:",
    ]
    printed = json.loads(terminal.run("check", "--json").stdout)
    assert printed.keys() == KEYS["opslore check"]
    assert printed["faults"][1].keys() == KEYS["opslore check / each of its faults"]
    assert printed["faults"][1]["line"] == 3


def test_check_warns_of_secrets_that_are_not_set(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CHATBOT_TOKEN", raising=False)
    terminal.write(
        "projects.yaml",
        "projects:\n  - name: a\n    url: http://a\n"
        "    headers: {Authorization: 'Bearer ${CHATBOT_TOKEN}'}\n",
    )
    assert "neither CHATBOT_TOKEN nor CHATBOT_TOKEN_FILE is set here" in terminal.text("check")


def test_check_warns_of_secrets_of_actions_and_anchors_that_are_not_set(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RESTART_TOKEN", "PLATFORM_KEY", "ANCHOR_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    terminal.write(
        "projects.yaml",
        "defaults:\n"
        "  actions:\n"
        "    clear_cache: {driver: command, argv: [clear], environment: {KEY: '${PLATFORM_KEY}'}}\n"
        "projects:\n"
        "  - name: a\n"
        "    url: http://a\n"
        "    actions:\n"
        "      restart:\n"
        "        driver: http\n"
        "        url: http://a/restart\n"
        "        body: {token: '${RESTART_TOKEN}', why: '${WHY:-healing}'}\n",
    )
    terminal.write("hub.yaml", "audit: {anchor_headers: {Authorization: '${ANCHOR_TOKEN}'}}\n")
    assert terminal.json("check")["warnings"] == [
        "projects.a.actions.clear_cache.environment.KEY:"
        " neither PLATFORM_KEY nor PLATFORM_KEY_FILE is set here",
        "projects.a.actions.restart.body.token:"
        " neither RESTART_TOKEN nor RESTART_TOKEN_FILE is set here",
        "audit.anchor_headers.Authorization:"
        " neither ANCHOR_TOKEN nor ANCHOR_TOKEN_FILE is set here",
    ]


def test_check_tells_actions_that_notify_nobody_known_where_they_are_written(
    terminal: Terminal,
) -> None:
    terminal.write("hub.yaml", "contacts: {oncall: {urls: 'json://127.0.0.1:1'}}\n")
    terminal.write(
        "projects.yaml",
        "defaults:\n"
        "  actions:\n"
        "    notify: {driver: notify, contact: onkall, message: look}\n"
        "projects:\n"
        "  - {name: a, url: 'http://a'}\n"
        "  - {name: b, url: 'http://b', actions: {notify: {contact: oncall}}}\n"
        "  - {name: c, url: 'http://c', actions: {notify: {contact: nobody}}}\n",
    )
    printed = json.loads(terminal.run("check", "--json").stdout)
    assert printed["projects"] == 3
    assert [(fault["line"], fault["field"]) for fault in printed["faults"]] == [
        (3, "defaults.actions.notify.contact"),
        (7, "projects.c.actions.notify.contact"),
    ]
    assert "did you mean oncall?" in printed["faults"][0]["problem"]


def test_check_tells_which_hub_refuses_its_file(terminal: Terminal) -> None:
    vitals = Vitals(
        hub="berlin",
        recorded_at=datetime.now(UTC),
        status="degraded",
        projects=1,
        probes_per_s=1.0,
        cycle_lag_ms=0.0,
        queue_depth=0,
        database_ms=1.0,
        prefect_ms=None,
        prefect_reachable=False,
        network_suspected=False,
        cpu_percent=1.0,
        memory_bytes=1,
        config_error="projects.yaml:7: projects.a.url: must be http://",
        detail=None,
    )
    terminal.record(lambda database: system_health.append(database, vitals))
    assert "hub berlin keeps its last good configuration: projects.yaml:7" in terminal.text("check")


def test_doctor_on_a_good_machine(terminal: Terminal) -> None:
    answers = terminal.json("doctor")
    assert all(answer.keys() == KEYS["opslore doctor"] for answer in answers)
    assert {answer["state"] for answer in answers} == {"ok"}
    assert terminal.text("doctor").count("ok ") == len(answers)


def test_doctor_tells_what_to_do_where_it_is_not_well(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        terminal.write("hub.yaml", f"listen: {{port: {taken.getsockname()[1]}}}\n")
        monkeypatch.setenv("OPSLORE_DATABASE_URL", "postgresql://127.0.0.1:1/opslore")
        monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
        result = terminal.run("doctor")
    assert result.exit_code == 1
    assert re.search(r"failed +record .*Connection refused\n.*→ check OPSLORE_DAT", result.stdout)
    assert re.search(r"warning +Prefect .*\n.*→ check PREFECT_API_URL", result.stdout)
    assert re.search(r"warning +own report .*\n.*→ a hub runs there already", result.stdout)


def test_doctor_tells_every_fault_of_a_file_and_of_the_rules_on_its_own_line(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal.write("hub.yaml", "polling: {cycle: 1}\nlisten: {port: -1}\n")
    (terminal.folder / "own" / "library").mkdir(parents=True)
    terminal.write("own/library/own.yaml", "rules:\n  - {name: x}\n")
    monkeypatch.setenv("OPSLORE_RULES", str(terminal.folder / "own"))
    result = terminal.run("doctor")
    assert result.exit_code == 1
    assert "\\n" not in result.stdout
    assert re.search(r"failed +hub file +\S+hub.yaml:1: .*\n +\S+hub.yaml:2: ", result.stdout)
    assert re.search(r"failed +rules +\S+own.yaml:2: .*\n +\S+own.yaml:2: ", result.stdout)


# What may go wrong


def test_a_setting_that_cannot_be_is_one_line(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSLORE_DATABASE_URL", "mysql://x:hush@y/z")
    for arguments in (["check"], ["doctor"], ["events"], ["up"], ["hub"], ["projects", "list"]):
        line = terminal.fails(1, *arguments)
        assert line == "environment: OPSLORE_DATABASE_URL: must begin with postgresql://"


def test_an_address_that_postgres_does_not_understand_is_not_repeated(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSLORE_DATABASE_URL", "postgresql://x:hush hush@y/z?nonsense=1")
    line = terminal.fails(1, "events")
    assert line.startswith("environment: OPSLORE_DATABASE_URL: must be an address")
    assert "hush" not in line


@pytest.mark.parametrize("url", ["nonsense", "ftp://a", "http://", "http://u:p@a", "http://a:0"])
def test_a_project_with_a_nonsense_url_is_refused_in_one_line(terminal: Terminal, url: str) -> None:
    line = terminal.fails(1, "projects", "add", "b", url)
    assert line.startswith("command line: url: must ")
    assert terminal.json("projects", "list") == []


def test_a_project_that_is_there_already_is_not_added(terminal: Terminal) -> None:
    terminal.text("projects", "add", "b", "http://127.0.0.1:9")
    line = terminal.fails(1, "projects", "add", "b", "http://127.0.0.1:9")
    assert line == "project b is registered already"


def test_a_project_of_the_file_is_not_removed_by_command(terminal: Terminal) -> None:
    spec = validate_project({"name": "a", "url": "http://a"})
    terminal.record(lambda database: projects.sync_file(database, "default", [spec]))
    assert "remove it there" in terminal.fails(1, "projects", "remove", "a")


@pytest.mark.parametrize(
    "arguments",
    [
        ["projects", "remove", "nobody"],
        ["projects", "pause", "nobody"],
        ["projects", "resume", "nobody"],
        ["incidents", "show", "7"],
    ],
)
def test_what_is_not_there_is_exit_code_4(terminal: Terminal, arguments: list[str]) -> None:
    assert arguments[-1] in terminal.fails(4, *arguments)


def test_a_database_that_refuses_is_told_at_once(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSLORE_DATABASE_URL", "postgresql://127.0.0.1:1/opslore")
    for arguments in (["events"], ["projects", "list"], ["db", "status"], ["up"]):
        started = time.monotonic()
        line = terminal.fails(3, *arguments) if arguments != ["up"] else _last_line(terminal)
        assert "Connection refused" in line
        assert time.monotonic() - started < 5


def _last_line(terminal: Terminal) -> str:
    result = terminal.run("up")
    assert result.exit_code == 3
    (line,) = result.stderr.splitlines()
    return line


def test_a_database_that_is_silent_is_told_within_10_seconds(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        monkeypatch.setenv("OPSLORE_DATABASE_URL", f"postgresql://127.0.0.1:{port}/opslore")
        started = time.monotonic()
        assert "timeout" in terminal.fails(3, "events")
    assert time.monotonic() - started < 10


def test_a_database_that_is_not_there_is_exit_code_3(
    terminal: Terminal, cluster: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = cluster.url("postgres").replace("/postgres?", "/nowhere?")
    monkeypatch.setenv("OPSLORE_DATABASE_URL", nowhere)
    assert 'database "nowhere" does not exist' in terminal.fails(3, "incidents", "list")


# What comes from outside is text


def test_a_hostile_message_is_one_line_of_text(terminal: Terminal) -> None:
    terminal.record(lambda database: events.record(database, event(HOSTILE)))
    (line,) = terminal.text("events").splitlines()
    assert line.endswith(SHOWN)
    assert json.loads(terminal.text("events", "--json"))["message"] == HOSTILE


def test_a_hostile_title_is_one_line_of_text(terminal: Terminal) -> None:
    number = terminal.record(lambda database: open_incident(database, title=HOSTILE))
    _, row = terminal.text("incidents", "list").splitlines()
    assert row.endswith(SHOWN)
    heading, state, anomaly, happened = terminal.text("incidents", "show", str(number)).splitlines()
    assert heading == f"incident {number}: {SHOWN}"
    assert state.startswith("open, warning, opened ")
    assert anomaly.startswith("  cpu_percent: ")
    assert happened.endswith(SHOWN)


def test_a_hostile_detail_is_one_line_of_text(terminal: Terminal) -> None:
    terminal.text("projects", "add", "b", "http://127.0.0.1:9")

    async def tell(database: Database) -> None:
        move = projects.Move(
            project="b",
            from_status="unknown",
            to_status="down",
            occurred_at=NOW,
            detail=HOSTILE,
        )
        async with database.transaction() as connection:
            await projects.move_statuses(connection, [move])

    terminal.record(tell)
    _, row = terminal.text("projects", "list").splitlines()
    assert row.endswith(SHOWN)


def test_a_hostile_argument_is_one_line_of_text(terminal: Terminal) -> None:
    line = terminal.fails(4, "projects", "pause", HOSTILE)
    assert line.startswith(f"no project is named {SHOWN};")


# Following


async def test_follow_prints_an_event_within_a_second_of_its_commit(
    terminal: Terminal, database: Database
) -> None:
    await events.record(database, event("before"))
    following = await asyncio.create_subprocess_exec(
        OPSLORE, "events", "--follow", "--json", stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert following.stdout is not None
    try:
        async with asyncio.timeout(30):
            assert b'"before"' in await following.stdout.readline()
            await events.record(database, event("while it begins to listen"))
            assert b'"while it begins to listen"' in await following.stdout.readline()
        for message in ("first", "second"):
            await events.record(database, event(message))
            async with asyncio.timeout(1):
                assert json.loads(await following.stdout.readline())["message"] == message
    finally:
        following.terminate()
        assert await asyncio.wait_for(following.wait(), 10) == 130
