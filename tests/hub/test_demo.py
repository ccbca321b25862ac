"""The demo as a whole: real faults in real processes, noticed, and accounted for."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from config.project_spec import ProjectSpec
from data.events import Event
from data.projects import Project
from hub.demo.screen import draw
from tests.documents import keys_by_heading
from tests.hub.remains import Remains
from tests.programs import Program, eventually

SECONDS = 45
HOSTILE = "\x1b[2J[red]fine[/red] :smile:\n\u202eall is well"
NOW = datetime.now(UTC)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


async def run_demo(home: Path, *arguments: str) -> tuple[int, str, Remains]:
    """Run a demo to its end and return its exit code, what it said, and what it left."""
    demo = Program(
        arguments=("demo", "--headless", *arguments),
        environment={
            "OPSLORE_HOME": str(home),
            "OPSLORE_DATABASE_URL": "",
            "PREFECT_API_URL": "",
        },
        log=home.parent / "demo.log",
    )
    await demo.start()
    assert demo.process is not None
    remains = Remains(home, demo.pid)
    ended = asyncio.create_task(demo.process.wait())
    try:
        while not ended.done():
            await asyncio.to_thread(remains.note)
            await asyncio.wait({ended}, timeout=5)
    finally:
        if not ended.done():
            await demo.stop()
    return ended.result(), demo.log.read_text(), remains


@pytest.mark.slow
async def test_every_fault_is_noticed_and_nothing_is_left(home: Path) -> None:
    report = home.parent / "out.json"
    code, said, remains = await run_demo(
        home, "--seconds", str(SECONDS), "--faults", "crash,spike", "--report", str(report)
    )
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
    assert [line.split()[0] for line in said.splitlines()[1:]] == ["crash", "spike"]
    await eventually(remains.none, within_s=10)


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
