"""The commands with which people act, decide, stop, silence and look: text, JSON, exit codes."""

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from actions import approving
from config.escalation import EscalationStep
from config.healing import HealingSettings
from config.hub_file import HubSettings
from config.projects_file import validate_project
from config.settings import Settings
from data import (
    agents,
    anomalies,
    attempts,
    escalations,
    events,
    incidents,
    projects,
    rule_decisions,
)
from data.agents import Heartbeat
from data.attempts import Attempt, NewAttempt
from data.database import Database
from data.rule_decisions import NewDecision
from hub.commands.dry_run import with_dry_run
from hub.supervisor import Supervisor
from rules.language.json_schema import schema_text
from tests.documents import keys_by_heading
from tests.hub.test_commands import HOSTILE, SHOWN, Terminal, open_incident

KEYS = keys_by_heading("docs/json.md")
NOW = datetime.now(UTC)
RULES = """
rules:
  - name: memory-first
    description: Free some.
    priority: 10
    when: {kind: memory}
    then: {action: clear_cache}
    examples: [{given: {kind: memory}, expect: run}, {given: {kind: cpu}, expect: no_match}]
  - name: down-later
    when: {kind: [down, degraded]}
    then: {escalate: a person must look}
    mode: shadow
    examples: [{given: {kind: down}, expect: match}]
"""
ACTIONS = {
    "touch": {
        "driver": "command",
        "argv": ["touch", "{file}"],
        "risk": "reversible",
        "description": "Make a file.",
        "parameters": {"file": {"type": "text"}},
    },
    "clear_cache": {"driver": "command", "argv": ["true"]},
    "wipe": {"driver": "command", "argv": ["true"], "risk": "destructive"},
}


@pytest.fixture
def terminal(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal with one project `a`, a folder of rules and a hub file of its own."""
    made = Terminal(folder=tmp_path, database_url=database_url)
    (tmp_path / "rules" / "library").mkdir(parents=True)
    (tmp_path / "rules" / "learned").mkdir()
    made.write("projects.yaml", "projects:\n  - {name: a, url: 'http://127.0.0.1:1'}\n")
    made.write("hub.yaml", "listen: {port: 8790}\n")
    made.write("rules/library/own.yaml", RULES)
    for name, value in {
        "OPSLORE_HOME": str(tmp_path / "home"),
        "OPSLORE_DATABASE_URL": database_url,
        "OPSLORE_PROJECTS": str(tmp_path / "projects.yaml"),
        "OPSLORE_HUB": str(tmp_path / "hub.yaml"),
        "OPSLORE_RULES": str(tmp_path / "rules"),
        "OPSLORE_APPROVAL_KEY": "",
        "PREFECT_API_URL": "",
        "LOGNAME": "anna",
    }.items():
        monkeypatch.setenv(name, value)
    spec = validate_project({"name": "a", "url": "http://127.0.0.1:1", "actions": ACTIONS})
    made.record(lambda database: projects.add(database, spec))
    return made


def new_attempt(**fields: Any) -> NewAttempt:
    given: dict[str, Any] = {
        "id": uuid4(),
        "incident_id": None,
        "project": "a",
        "action": "clear_cache",
        "risk": "reversible",
        "purpose": "heal",
        "state": "pending",
        "requested_by": "h",
        "reason": "memory is high",
        "expires_after": timedelta(minutes=30),
    }
    return NewAttempt(**{**given, **fields})


def ask(terminal: Terminal, **fields: Any) -> Attempt:
    """Record an attempt that waits for approval."""

    async def request(database: Database) -> Attempt | None:
        async with database.transaction() as connection:
            return await attempts.request(connection, new_attempt(**fields))

    made: Attempt = terminal.record(request)
    return made


def find(terminal: Terminal, attempt_id: UUID) -> Attempt:
    found: Attempt = terminal.record(lambda database: attempts.find(database, attempt_id))
    return found


def told(terminal: Terminal, kind: str) -> list[str]:
    found = terminal.record(lambda database: events.latest(database, kind=kind))
    return [event.message for event in found]


def let_a_hub_live(terminal: Terminal, silent_s: float = 0.0) -> None:
    alive = Heartbeat(
        agent="responder",
        state="running",
        started_at=NOW,
        silent_s=silent_s,
        handled=0,
        errors=0,
        last_error=None,
        last_error_at=None,
    )
    terminal.record(lambda database: agents.beat(database, "h", [alive]))


# Actions


def test_the_catalogue_shows_what_can_be_done(terminal: Terminal) -> None:
    heading, *rows = terminal.text("actions", "catalogue").splitlines()
    assert heading.split()[:3] == ["PROJECT", "ACTION", "RISK"]
    assert sorted(row.split()[:3] for row in rows) == [
        ["a", "clear_cache", "reversible"],
        ["a", "touch", "reversible"],
        ["a", "wipe", "destructive"],
    ]
    listed = terminal.json("actions", "catalogue", "a")
    (touch,) = [one for one in listed if one["action"] == "touch"]
    assert sum("file: text" in row for row in rows) == 1
    assert touch.keys() == KEYS["opslore actions catalogue"]
    assert touch["parameters"]["file"]["needed"] is True


def test_attempts_are_listed_and_shown_with_their_steps(terminal: Terminal) -> None:
    made = ask(terminal, reason=HOSTILE)
    assert f"{str(made.id)[:8]}  " in terminal.text("actions", "list", "--project", "a")
    assert terminal.json("actions", "list", "--state", "failed") == []
    (listed,) = terminal.json("actions", "list", "--state", "pending")
    assert listed.keys() == KEYS["opslore actions list"]
    shown = terminal.text("actions", "show", str(made.id)[:8]).splitlines()
    assert shown[0] == f"attempt {made.id}: clear_cache a"
    assert shown[1].startswith("pending, for heal, risk reversible")
    assert f"  why         {SHOWN}" in shown
    assert re.search(r"new +→ pending +h: ", shown[-1])
    whole = terminal.json("actions", "show", str(made.id))
    assert whole.keys() == KEYS["opslore actions show"]
    assert whole["steps"][0].keys() == KEYS["opslore actions show / each of its steps"]


def test_nothing_is_asked_for_while_no_hub_is_there(terminal: Terminal) -> None:
    arguments = ("actions", "run", "a", "clear_cache", "--reason", "why not")
    assert terminal.fails(1, *arguments).startswith("no hub is running that could carry it out;")
    let_a_hub_live(terminal, silent_s=60)
    assert terminal.fails(1, *arguments).startswith("no hub is running")
    assert terminal.json("actions", "list") == []


def test_an_action_is_left_to_the_hubs_with_who_asked_and_why(terminal: Terminal) -> None:
    let_a_hub_live(terminal)
    said = terminal.text(
        "actions", "run", "a", "touch", "--param", "file=x", "--reason", "to see", "--no-wait"
    )
    assert said.startswith("touch a: approved; `opslore actions show ")
    (asked,) = terminal.json("actions", "list")
    assert (asked["purpose"], asked["state"], asked["risk"]) == (
        "by_hand",
        "approved",
        "reversible",
    )
    assert (asked["requested_by"], asked["reason"]) == ("anna", "to see")
    assert asked["parameters"] == {"file": "x"}
    assert told(terminal, "ApprovalDecided") == ["touch a was asked for by anna: to see"]


def test_what_is_under_way_is_not_asked_for_again(terminal: Terminal) -> None:
    let_a_hub_live(terminal)
    made = ask(terminal)
    line = terminal.fails(1, "actions", "run", "a", "clear_cache", "--reason", "again")
    assert line == f"clear_cache a is under way: attempt {str(made.id)[:8]} of h is pending"


def test_an_incident_has_one_attempt_at_a_time(terminal: Terminal) -> None:
    let_a_hub_live(terminal)
    number = terminal.record(open_incident)
    ask(terminal, incident_id=number)
    line = terminal.fails(
        1, "actions", "run", "a", "wipe", "--incident", str(number), "--yes", "--reason", "now"
    )
    assert line.startswith("clear_cache a is under way: attempt ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nobody", "touch"], "no project is named nobody"),
        (["a", "touch", "--param", "file=x", "--incident", "77"], "there is no incident 77"),
    ],
)
def test_what_is_not_there_cannot_be_acted_on(
    terminal: Terminal, arguments: list[str], said: str
) -> None:
    let_a_hub_live(terminal)
    assert said in terminal.fails(4, "actions", "run", *arguments, "--reason", "x")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["restart"], "a does not declare restart; what it declares: "),
        (["touch"], "file"),
        (["touch", "--param", "file=x", "--param", "more=1"], "more"),
    ],
)
def test_what_the_project_does_not_take_is_refused(
    terminal: Terminal, arguments: list[str], said: str
) -> None:
    let_a_hub_live(terminal)
    assert said in terminal.fails(1, "actions", "run", "a", *arguments, "--reason", "x")
    assert terminal.json("actions", "list") == []


def test_an_incident_that_is_over_is_not_acted_on(terminal: Terminal) -> None:
    let_a_hub_live(terminal)
    number = str(terminal.record(open_incident))
    terminal.text("incidents", "resolve", number, "--reason", "done")
    line = terminal.fails(
        1, "actions", "run", "a", "clear_cache", "--incident", number, "--reason", "x"
    )
    assert line == f"incident {number} is over"


def test_what_no_hub_begins_is_taken_back(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.commands.action_request.BEGINS_WITHIN", timedelta(seconds=0.2))
    let_a_hub_live(terminal)
    line = terminal.fails(1, "actions", "run", "a", "clear_cache", "--reason", "x")
    assert line.startswith("clear_cache a: expired: no hub began it in time (attempt ")
    (said,) = told(terminal, "ActionFailed")
    assert said == "clear_cache a was taken back: no hub began it in time"


def test_what_destroys_is_asked_about_first(terminal: Terminal) -> None:
    let_a_hub_live(terminal)
    arguments = ("actions", "run", "a", "wipe", "--reason", "clean", "--no-wait")
    refused = terminal.run(*arguments)  # nobody is there to answer
    assert refused.exit_code == 1
    assert "wipe a is destructive" in refused.stderr
    assert terminal.json("actions", "list") == []
    assert "approved" in terminal.text(*arguments, "--yes")


@pytest.mark.parametrize(
    "arguments",
    [
        ["actions", "run", "a", "touch"],
        ["actions", "run", "a", "touch", "--reason", "  "],
        ["actions", "run", "a", "touch", "--reason", "x", "--param", "file"],
        ["actions", "list", "--state", "lost"],
        ["approvals", "reject", "abc"],
        ["stop-acting"],
        ["silences", "add", "--for", "2h", "--reason", "x"],
        ["silences", "add", "--project", "a", "--for", "0s", "--reason", "x"],
        ["silences", "add", "--project", "a", "--for", "soon", "--reason", "x"],
        ["incidents", "resolve", "1"],
    ],
)
def test_wrong_usage_is_exit_code_2(terminal: Terminal, arguments: list[str]) -> None:
    assert terminal.run(*arguments).exit_code == 2


# Approvals


def test_what_waits_is_listed_and_approved_or_rejected(terminal: Terminal) -> None:
    number = terminal.record(open_incident)
    first = ask(terminal, incident_id=number, rule="memory-first")
    second = ask(terminal, action="wipe")
    listed = terminal.json("approvals", "list")
    assert [one["id"] for one in listed] == [str(first.id), str(second.id)]
    assert "memory-first" in terminal.text("approvals", "list")
    said = terminal.text("approvals", "approve", str(first.id)[:8], "--reason", "go on")
    assert said == f"clear_cache a: approved by anna (attempt {str(first.id)[:8]})\n"
    rejected = terminal.json(
        "approvals", "reject", str(second.id), "--by", "berta", "--reason", "too much"
    )
    assert (rejected["state"], rejected["decided_by"]) == ("rejected", "berta")
    assert terminal.json("approvals", "list") == []
    assert len(told(terminal, "ApprovalDecided")) == 2


def test_an_approval_has_the_incident_looked_at_at_once(terminal: Terminal) -> None:
    number = terminal.record(open_incident)
    made = ask(terminal, incident_id=number)

    async def due(database: Database) -> float | None:
        async with database.transaction() as connection:
            await connection.execute("UPDATE incidents SET next_step_at = NULL")
        return await incidents.next_due_in_s(database)

    assert terminal.record(due) is None
    terminal.text("approvals", "approve", str(made.id))
    assert terminal.record(incidents.next_due_in_s) <= 0


def test_the_second_to_decide_is_told_who_was_first(terminal: Terminal) -> None:
    made = str(ask(terminal).id)
    terminal.text("approvals", "approve", made, "--by", "berta")
    line = terminal.fails(1, "approvals", "reject", made, "--reason", "no")
    assert line.startswith("this was decided already by berta at 20")
    assert find(terminal, UUID(made)).state == "approved"


def test_of_many_who_decide_at_once_one_does(terminal: Terminal) -> None:
    made = ask(terminal)

    async def decide(database: Database) -> list[Any]:
        async def one(number: int) -> Any:
            return await approving.decide(
                database, made.id, approve=number % 2 == 0, by=f"p{number}", reason="now"
            )

        return await asyncio.gather(*map(one, range(20)), return_exceptions=True)

    outcomes = terminal.record(decide)
    (winner,) = [one for one in outcomes if isinstance(one, Attempt)]
    assert [type(one) for one in outcomes if one is not winner] == [attempts.AttemptDecided] * 19
    assert find(terminal, made.id).decided_by == winner.decided_by
    assert len(told(terminal, "ApprovalDecided")) == 1
    steps = terminal.json("actions", "show", str(made.id))["steps"]
    assert [step["to_state"] for step in steps] == ["pending", winner.state]


def test_a_link_is_printed_for_somebody(terminal: Terminal) -> None:
    made = str(ask(terminal).id)
    link = terminal.text("approvals", "link", made[:8], "--by", "oncall")
    assert link.startswith("http://127.0.0.1:8790/approvals/")
    assert (
        terminal.json("approvals", "link", made, "--by", "oncall").keys()
        == (KEYS["opslore approvals link"])
    )
    terminal.write("hub.yaml", "listen: {port: 0}\n")
    line = terminal.fails(1, "approvals", "link", made, "--by", "oncall")
    assert "notification.public_url" in line
    terminal.text("approvals", "approve", made)
    terminal.write("hub.yaml", "notification: {public_url: https://ops.example}\n")
    assert "does not wait" in terminal.fails(1, "approvals", "link", made, "--by", "oncall")


@pytest.mark.parametrize(
    "arguments",
    [
        ["actions", "show", "0000"],
        ["approvals", "approve", "0000"],
        ["approvals", "reject", "0000", "--reason", "x"],
        ["approvals", "link", "0000", "--by", "x"],
        ["incidents", "acknowledge", "77"],
        ["incidents", "resolve", "77", "--reason", "x"],
        ["silences", "end", "77"],
    ],
)
def test_what_is_not_there_is_exit_code_4(terminal: Terminal, arguments: list[str]) -> None:
    assert re.search("0000|77", terminal.fails(4, *arguments))


# The brake


def test_the_brake_is_pulled_and_released(terminal: Terminal) -> None:
    let_a_hub_live(terminal)
    assert terminal.text("resume-acting") == "the brake was not pulled; nothing changed\n"
    stopped = terminal.text("stop-acting", "--reason", "they go wild", "--by", "berta")
    assert stopped.startswith("no hub begins an action any more")
    again = terminal.text("stop-acting", "--reason", "me too")
    assert "berta pulled the brake at" in again
    assert again.endswith("they go wild; nothing changed\n")
    for arguments in (["actions", "list"], ["approvals", "list"]):
        assert "berta pulled the brake" in terminal.text(*arguments).splitlines()[0]
        assert terminal.json(*arguments) == []
    assert "berta pulled the brake" in terminal.text("check")
    line = terminal.fails(1, "actions", "run", "a", "clear_cache", "--reason", "x")
    assert line.startswith("no hub begins actions: berta pulled the brake at ")
    released = terminal.json("resume-acting", "--reason", "calm")
    assert released.keys() == KEYS["opslore stop-acting"]
    assert (released["changed"], released["stopped"], released["by"]) == (True, False, "anna")
    assert told(terminal, "ActingStopped") == [
        "berta: no hub starts actions any more: they go wild"
    ]


# A dry run


async def test_a_dry_run_reaches_the_hub_that_up_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []

    async def start_child(_: Supervisor, name: str, argv: list[str], *__: object) -> None:
        started.append(argv)

    monkeypatch.setattr(Supervisor, "start_child", start_child)
    for dry_run in (True, False):
        hub = with_dry_run(HubSettings(), dry_run=dry_run)
        assert hub.healing.dry_run is dry_run
        await Supervisor(Settings(OPSLORE_HOME=tmp_path), hub).start_hub()
    assert ["--dry-run" in argv for argv in started] == [True, False]


def test_a_dry_run_of_the_hub_file_stays_one() -> None:
    dry = HubSettings(healing=HealingSettings(dry_run=True))
    assert with_dry_run(dry, dry_run=False).healing.dry_run


# Silences


def test_silences_are_added_listed_and_ended(terminal: Terminal) -> None:
    said = terminal.text(
        "silences", "add", "--project", "a", "--kind", "memory", "--for", "2h", "--reason", "work"
    )
    assert said.startswith("silence 1: a, memory, ")
    result = terminal.run(
        "silences", "add", "--tag", "x", "--for", "1d", "--reason", "later", "--json"
    )
    added = json.loads(result.stdout)
    assert added.keys() == KEYS["opslore silences add"]
    assert re.search(r"^2 +holds +tag x ", terminal.text("silences", "list"), re.M)
    assert terminal.text("silences", "end", "1") == "silence 1: ended\n"
    newest, oldest = terminal.json("silences", "list")
    assert newest.keys() == KEYS["opslore silences list"]
    assert (oldest["ended_by"], oldest["created_by"], newest["ended_by"]) == ("anna", "anna", None)
    assert re.search(r"^1 +ended by anna ", terminal.text("silences", "list"), re.M)
    assert "to end" in terminal.fails(4, "silences", "end", "1")


def test_a_silence_may_begin_later(terminal: Terminal) -> None:
    begin = f"{NOW + timedelta(days=1):%Y-%m-%dT%H:%M}"
    terminal.text(
        "silences", "add", "--kind", "cpu", "--from", begin, "--for", "1h", "--reason", "backup"
    )
    assert " to come " in terminal.text("silences", "list")


@pytest.mark.parametrize(
    ("option", "given", "doubt"),
    [
        ("--tag", "batch", "no project has the tag batch so far"),
        (
            "--kind",
            "memroy",
            "no incident and no rule was of the kind memroy so far: did you mean memory?",
        ),
    ],
)
def test_a_silence_of_what_may_be_misspelt_is_added_with_a_doubt(
    terminal: Terminal, option: str, given: str, doubt: str
) -> None:
    result = terminal.run("silences", "add", option, given, "--for", "40s", "--reason", "x")
    assert (result.exit_code, result.stderr) == (0, f"{doubt}\n")
    begin, end = re.findall(r"\d\d:\d\d:\d\d", result.stdout)
    assert begin != end


def test_a_silence_of_an_unknown_project_is_refused(terminal: Terminal) -> None:
    arguments = ("silences", "add", "--project", "aa", "--for", "1h", "--reason", "x")
    assert "no project is named aa" in terminal.fails(4, *arguments)


# Incidents


def test_an_incident_is_acknowledged_once(terminal: Terminal) -> None:
    number = str(terminal.record(open_incident))
    assert terminal.text("incidents", "acknowledge", number) == (
        f"incident {number}: acknowledged\n"
    )
    again = terminal.json("incidents", "acknowledge", number, "--by", "berta")
    assert again["outcome"] == "was acknowledged already by anna"
    assert again.keys() == KEYS["opslore incidents acknowledge"]
    assert "acknowledged by anna at " in terminal.text("incidents", "show", number)


def test_an_incident_is_closed_by_hand_with_its_anomalies(terminal: Terminal) -> None:
    number = terminal.record(open_incident)
    arguments = ("incidents", "resolve", str(number), "--reason", "it was a test")
    assert terminal.text(*arguments) == f"incident {number}: resolved\n"
    assert terminal.text(*arguments) == f"incident {number}: was resolved already\n"
    shown = terminal.json("incidents", "show", str(number))
    assert shown["incident"]["state"] == "resolved"
    assert shown["incident"]["resolution"] == "closed by anna: it was a test"
    assert shown["events"][-1]["kind"] == "IncidentResolved"
    held = terminal.record(lambda database: anomalies.open_in(database, ["a"]))
    assert held == []
    assert terminal.record(incidents.next_due_in_s) <= 0  # for what follows on an end


def test_an_incident_shows_what_was_decided_tried_and_told(terminal: Terminal) -> None:
    number = terminal.record(open_incident)
    made = ask(terminal, incident_id=number)

    async def tell(database: Database) -> None:
        decision = NewDecision(
            hub="h",
            incident_id=number,
            project="a",
            kind="cpu",
            step="denied",
            reason="not_declared",
            rules_version="0123456789ab",
            rule="memory-first",
            action="restart",
            target="a",
            details={"matched": [{"rule": "memory-first", "problem": "no restart in a"}]},
        )
        async with database.transaction() as connection:
            await rule_decisions.record(connection, decision)
            await escalations.start(
                connection,
                number,
                [EscalationStep(notify="oncall")],
                subject="s",
                body="b",
                severity="warning",
                at=NOW,
            )

    terminal.record(tell)
    lines = terminal.text("incidents", "show", str(number)).splitlines()
    assert any(re.match(r"escalated at .*: told nobody; goes on at ", line) for line in lines)
    assert any(
        "decided by rule memory-first: restart a: denied, the project does not declare" in line
        and line.endswith("(no restart in a) (rules 0123456789ab)")
        for line in lines
    )
    assert any(f"clear_cache a, attempt 1 ({str(made.id)[:8]}): pending" in line for line in lines)
    whole = terminal.json("incidents", "show", str(number))
    assert whole.keys() == KEYS["opslore incidents show"]
    (decision,) = whole["decisions"]
    assert decision.keys() == KEYS["opslore incidents show / each of its decisions"]
    assert whole["escalation"].keys() == KEYS["opslore incidents show / its escalation"]
    assert whole["escalation"]["chain"][0]["notify"] == "oncall"


# Rules


def test_rules_are_listed_in_the_order_they_are_asked(terminal: Terminal) -> None:
    heading, first, second, version = terminal.text("rules", "list").splitlines()
    assert heading.split() == ["RULE", "PRIORITY", "MODE", "KIND", "THEN", "FILE"]
    assert first.split()[:5] == ["memory-first", "10", "active", "memory", "clear_cache"]
    assert second.startswith("down-later")
    assert second.endswith("own.yaml:9")
    assert re.fullmatch("version [0-9a-f]{12}", version)
    listed = terminal.json("rules", "list")
    assert all(rule.keys() == KEYS["opslore rules list"] for rule in listed)


def test_a_rule_is_shown_as_its_file_says_it(terminal: Terminal) -> None:
    place, *lines = terminal.text("rules", "show", "memory-first").splitlines()
    assert place.endswith("own.yaml:3")
    assert lines == RULES.splitlines()[2:8]
    assert terminal.json("rules", "show", "down-later").keys() == KEYS["opslore rules show"]
    assert terminal.fails(4, "rules", "show", "nothing").startswith("no rule is named nothing;")


def test_the_examples_of_rules_are_run(terminal: Terminal) -> None:
    first, second, last = terminal.text("rules", "test").splitlines()
    assert first.startswith("ok     memory-first: 2 of 2 examples  ")
    assert second.startswith("ok     down-later: 1 of 1 examples  ")
    assert last.startswith("rules: 2, version ")
    printed = terminal.json("rules", "test", str(terminal.folder / "rules/library/own.yaml"))
    assert printed.keys() == KEYS["opslore rules test"]
    assert (len(printed["rules"]), printed["faults"]) == (2, [])


def test_an_example_that_does_not_hold_is_a_fault_with_its_line(terminal: Terminal) -> None:
    terminal.write("wrong.yaml", RULES.replace("expect: no_match", "expect: run"))
    result = terminal.run("rules", "test", str(terminal.folder / "wrong.yaml"))
    assert result.exit_code == 1
    assert "failed memory-first: 1 of 2 examples" in result.stdout
    assert re.search(r"wrong\.yaml:8: ", result.stderr)


def test_a_rule_that_tells_nobody_known_is_a_fault(terminal: Terminal) -> None:
    chain = "    escalate: [{notify: oncal}]\n    when: {kind: memory}"
    file = "rules/library/own.yaml"
    terminal.write(file, RULES.replace("    when: {kind: memory}", chain))
    terminal.write("hub.yaml", "contacts:\n  oncall: {urls: ['json://localhost/']}\n")
    result = terminal.run("rules", "test")
    assert result.exit_code == 1
    assert 'must be a contact of the hub file, got "oncal": did you mean oncall?' in result.stderr


def test_a_file_that_cannot_be_read_as_rules_is_told_with_every_fault(terminal: Terminal) -> None:
    terminal.write("wrong.yaml", "rules:\n  - {name: x}\n  - {nam: y}\n")
    places = [str(terminal.folder / "wrong.yaml"), str(terminal.folder / "none")]
    result = terminal.run("rules", "test", *places)
    assert result.exit_code == 1
    assert "none: file: does not exist" in result.stderr
    assert {"2", "3"} <= set(re.findall(r"wrong\.yaml:(\d+):", result.stderr))
    assert json.loads(terminal.run("rules", "test", *places, "--json").stdout)["version"] is None


def test_the_same_name_in_two_places_is_a_fault(terminal: Terminal) -> None:
    terminal.write("again.yaml", RULES)
    places = [str(terminal.folder / "again.yaml"), str(terminal.folder / "rules")]
    result = terminal.run("rules", "test", *places)
    assert result.exit_code == 1
    assert "is taken by the rule in" in result.stderr


def test_the_schema_is_printed_or_written(terminal: Terminal) -> None:
    assert terminal.text("rules", "schema") == schema_text()
    file = terminal.folder / "schema.json"
    assert terminal.text("rules", "schema", "--output", str(file)) == f"wrote {file}\n"
    assert file.read_text() == schema_text()
    assert "Not a directory" in terminal.fails(1, "rules", "schema", "--output", str(file / "x/y"))


# Check


def test_check_tells_how_many_rules_there_are(terminal: Terminal) -> None:
    assert "rules is valid, rules in it: 2\n" in terminal.text("check")


def test_check_tells_what_is_wrong_with_rules_and_with_whom_they_tell(terminal: Terminal) -> None:
    chain = "    escalate: [{notify: oncal}]\n    when: {kind: memory}"
    terminal.write("rules/library/own.yaml", RULES.replace("    when: {kind: memory}", chain))
    terminal.write(
        "hub.yaml",
        "contacts:\n  oncall: {urls: ['json://localhost/${ONCALL_KEY}']}\n"
        "healing:\n  escalate:\n    - {notify: oncall}\n    - {notify: boss, after: 1m}\n",
    )
    printed = json.loads(terminal.run("check", "--json").stdout)
    faults = {(Path(one["file"]).name, one["line"], one["field"]) for one in printed["faults"]}
    assert faults == {
        ("hub.yaml", 6, "healing.escalate[1].notify"),
        ("own.yaml", 3, "rules.memory-first.escalate[0].notify"),
    }
    assert any("ONCALL_KEY" in warning for warning in printed["warnings"])


def test_check_looks_at_the_rules_beside_those_that_are_broken(terminal: Terminal) -> None:
    named = RULES.replace("action: clear_cache", "action: defragment").replace(
        "    when: {kind: memory}", "    escalate: [{notify: oncal}]\n    when: {kind: memory}"
    )
    terminal.write("rules/library/own.yaml", named.replace("expect: no_match", "expect: run"))
    terminal.write("rules/library/wrong.yaml", "rules:\n  - {nam: y}\n")
    printed = json.loads(terminal.run("check", "--json").stdout)
    fields = {(Path(one["file"]).name, one["field"]) for one in printed["faults"]}
    assert {field for file, field in fields if file == "own.yaml"} == {
        "rules.memory-first.then.action",
        "rules.memory-first.escalate[0].notify",
        "rules.memory-first.examples[1].expect",
    }
    assert any(file == "wrong.yaml" for file, _ in fields)


def test_check_runs_the_examples(terminal: Terminal) -> None:
    terminal.write("rules/library/own.yaml", RULES.replace("expect: no_match", "expect: run"))
    result = terminal.run("check")
    assert result.exit_code == 1
    assert "own.yaml:8: " in result.stdout
