"""The demo as a whole: real faults in real processes, noticed, and accounted for."""

import asyncio
import json
import re
import signal
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from rich.console import Console

from config.project_spec import ProjectSpec
from data.events import Event
from data.projects import Project
from hub.demo.run import DemoPlan
from hub.demo.screen import draw
from hub.fleet.members import KINDS
from tests.documents import keys_by_heading
from tests.hub.remains import Remains, command_of
from tests.programs import Program, eventually

SECONDS = 45
HOSTILE = "\x1b[2J[red]fine[/red] :smile:\n\u202eall is well"
NOW = datetime.now(UTC)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
async def demo(home: Path) -> AsyncIterator[Program]:
    """A demo that is not started yet; what it is told is added to its arguments."""
    program = Program(
        arguments=("demo", "--headless"),
        environment={
            "OPSLORE_HOME": str(home),
            "OPSLORE_DATABASE_URL": "",
            "PREFECT_API_URL": "",
        },
        log=home.parent / "demo.log",
    )
    yield program
    if program.process is not None:
        await program.stop()


async def noted(remains: Remains, seconds: float) -> None:
    """Let time pass and note what is started."""
    for _ in range(10):
        await asyncio.sleep(seconds / 10)
        remains.note()


@pytest.mark.slow
async def test_every_fault_is_noticed_and_nothing_is_left(demo: Program, home: Path) -> None:
    report = home.parent / "out.json"
    demo.arguments += "--seconds", str(SECONDS), "--faults", "crash,spike", "--report", str(report)
    await demo.start()
    assert demo.process is not None
    remains = Remains(home, demo.pid)
    await noted(remains, 30)
    code = await demo.process.wait()
    account: dict[str, Any] = json.loads(report.read_text())
    assert (code, account["errors"], account["false_alarms"]) == (0, [], []), account
    documented = keys_by_heading("docs/json.md")
    assert account.keys() == documented["opslore demo"]
    assert all(
        fault.keys() == documented["opslore demo / each of its faults"]
        for fault in account["faults"]
    )
    crash, spike = account["faults"]
    assert (crash["kind"], spike["kind"], account["undetected"]) == ("crash", "spike", 0)
    assert crash["event_kind"] == "ProjectDown"
    assert crash["detection_delay_s"] < 1.0
    assert spike["event_kind"] == "AnomalyDetected"
    assert account["seconds"] == pytest.approx(SECONDS, abs=2)
    assert account["interrupted"] is False
    assert account["probes"] >= 40
    assert account["scrapes"] >= 40
    assert account["flow_runs"] > 0
    assert account["unanswered"] == 0
    assert (crash["healing"]["action"], spike["healing"]["action"]) == ("restart", "pause")
    assert {fault["healing"]["outcome"] for fault in account["faults"]} == {"healed"}
    assert account["median_request_delay_s"] > 0
    told = re.findall(r"(?m)^  (crash|spike) ", demo.log.read_text())
    assert told == ["crash", "spike"]
    await remains.vanish()


@pytest.mark.slow
async def test_one_that_is_terminated_while_it_starts_leaves_nothing(
    demo: Program, home: Path
) -> None:
    await demo.start()
    remains = Remains(home, demo.pid)
    await noted(remains, 4)
    assert await demo.stop() in {130, -signal.SIGTERM}  # the latter before it has loaded
    await remains.vanish()
    assert "Traceback" not in demo.log.read_text()


@pytest.mark.slow
async def test_one_that_is_killed_leaves_nothing(demo: Program, home: Path) -> None:
    await demo.start()
    parts = ("server start", "hub.main hub", "fleet.hosting", "fleet.chatbot", "fleet.email_blast")

    async def all_run() -> bool:
        children = psutil.Process(demo.pid).children(recursive=True)
        commands = "\n".join(map(command_of, children))
        return all(part in commands for part in parts)

    await eventually(all_run, within_s=40)
    remains = Remains(home, demo.pid).note()
    await demo.kill()
    await remains.vanish()


# The plan


def test_a_short_demo_is_one_round() -> None:
    (plans,) = DemoPlan(seconds=90, kinds=("crash", "leak"), seed=None).rounds()
    assert {plan.kind for plan in plans} == {"crash", "leak"}


def test_a_long_demo_is_rounds_of_ten_minutes_and_what_is_left() -> None:
    first, second, rest = DemoPlan(seconds=1_290, kinds=KINDS, seed=None).rounds()
    assert len(first) == len(second) > len(rest) > 0


def test_a_demo_without_an_end_plans_one_round_at_a_time() -> None:
    rounds = DemoPlan(seconds=None, kinds=KINDS, seed=7).rounds()
    started = time.monotonic()
    first, second = next(rounds), next(rounds)
    assert time.monotonic() - started < 5
    assert first != second
    assert {plan.kind for plan in first} == set(KINDS)


# The screen


def project(name: str = "chatbot", detail: str | None = None) -> Project:
    return Project(
        name=name,
        source="file:default",
        spec=ProjectSpec(name="chatbot", url="http://127.0.0.1:1"),
        paused=False,
        status="down",
        status_since=NOW,
        status_detail=detail,
        leased_by="h",
        reported={},
        next_health_at=None,
        next_metrics_at=None,
        cpu_percent=93.2,
    )


def event(number: int, message: str = "a is down") -> Event:
    return Event(
        id=number,
        occurred_at=NOW,
        recorded_at=NOW,
        hub="h",
        agent="agent",
        kind="ProjectDown",
        severity="critical",
        project="a",
        incident_id=None,
        message=f"{message} {number}",
        details={},
    )


def shown(width: int, height: int, **given: Any) -> list[str]:
    """Return the lines of the screen of a terminal of that size."""
    console = Console(width=width, height=height, force_terminal=True, color_system=None)
    fields: dict[str, Any] = {
        "projects": [project()],
        "events": [],
        "addresses": [("Prefect UI", "http://127.0.0.1:4200"), ("chatbot", "http://127.0.0.1:1")],
        "headline": "Opslore demo, 18 s: all calm",
    }
    with console.capture() as capture:
        console.print(draw(**{**fields, **given}, rows=height))
    return capture.get().splitlines()


@pytest.mark.parametrize(("width", "height"), [(120, 40), (80, 24), (60, 16)])
def test_the_screen_fits_into_the_terminal_and_ends_with_the_newest_event(
    width: int, height: int
) -> None:
    events = [event(number, "a long message " * 20) for number in range(200)]
    events.append(event(200, "the newest"))
    projects = [project("chatbot", "connection refused " * 20), project("email-blast")]
    lines = shown(width, height, events=events, projects=projects, headline="crash on a, " * 20)
    assert len(lines) == height - 1
    assert {len(line) for line in lines if line.startswith(("│", "╭", "╰"))} == {width}
    assert max(map(len, lines)) <= width
    shown_events = [line for line in lines if "ProjectDown" in line]
    assert "the newest 200" in shown_events[-1]


def test_what_comes_from_outside_is_text_on_the_screen() -> None:
    lines = shown(120, 40, projects=[project(detail=HOSTILE)], events=[event(1, HOSTILE)])
    text = "\n".join(lines)
    assert r"\x1b[2J[red]fine[/red] :smile:\n\u202eall is well 1" in text
    assert "\x1b" not in text
    assert len([line for line in lines if "all is well" in line]) <= 2


def test_addresses_are_aligned() -> None:
    prefect, chatbot = shown(80, 24)[-2:]
    assert prefect.index("http") == chatbot.index("http")
