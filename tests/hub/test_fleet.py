"""The demo fleet: its schedule, its numbers, and the real processes."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.action_spec import HttpAction
from config.projects_file import read_projects
from hub.fleet.call_ledger import CallLedger, KeyReused
from hub.fleet.chatbot import Chatbot
from hub.fleet.director import play
from hub.fleet.email_blast import EmailBlast
from hub.fleet.faults import LEAK_LIMIT_BYTES, Faults
from hub.fleet.members import KINDS, PROJECTS, FaultKind, dependents_of
from hub.fleet.project import DemoProject
from hub.fleet.projects_config import projects_config
from hub.fleet.schedule import (
    FIRST_AT_S,
    QUIET_END_S,
    SETTLE_S,
    FaultPlan,
    randomised,
    scripted,
)
from hub.fleet.social_media import SocialMedia
from hub.fleet.vitals import Vitals

ROOT = Path(__file__).parents[2]
kinds_wanted = st.sets(st.sampled_from(KINDS), min_size=1)


class TestSchedule:
    @settings(deadline=None)
    @given(seconds=st.floats(0, 900), kinds=kinds_wanted, seed=st.none() | st.integers())
    def test_every_plan_keeps_the_rules(
        self, seconds: float, kinds: set[FaultKind], seed: int | None
    ) -> None:
        plans = scripted(seconds, kinds) if seed is None else randomised(seed, seconds, kinds)
        for number, plan in enumerate(plans):
            assert plan.kind in kinds
            assert plan.at_s >= FIRST_AT_S
            assert plan.ends_at_s <= seconds - QUIET_END_S
            assert 12 <= plan.ends_after_s <= 20
            for other in plans[:number]:
                assert may_be_together(plan, other), (plan, other)

    @settings(max_examples=40, deadline=None)
    @given(seconds=st.floats(45, 400), kinds=kinds_wanted, seed=st.integers())
    def test_45_seconds_have_room_for_something_and_the_crash_comes_first(
        self, seconds: float, kinds: set[FaultKind], seed: int
    ) -> None:
        for plans in (scripted(seconds, kinds), randomised(seed, seconds, kinds)):
            first = min(plans, key=lambda plan: plan.at_s)
            assert first.at_s <= FIRST_AT_S + 2
            assert first.kind == "crash" or "crash" not in kinds

    @pytest.mark.parametrize(("seconds", "kinds"), [(45, 3), (60, 5), (90, 6)])
    def test_short_runs_have_fewer_kinds(self, seconds: int, kinds: int) -> None:
        assert len({plan.kind for plan in scripted(seconds)}) == kinds
        assert len(scripted(seconds)) == kinds

    @settings(deadline=None)
    @given(seed=st.integers())
    def test_90_seconds_have_room_for_every_kind_in_any_order(self, seed: int) -> None:
        assert {plan.kind for plan in randomised(seed, 90)} == set(KINDS)

    def test_the_same_seed_gives_the_same_plan_and_another_another(self) -> None:
        assert randomised(7, 120) == randomised(7, 120)
        assert len({randomised(seed, 120) for seed in range(20)}) > 15

    def test_a_long_run_repeats_the_kinds_on_other_projects(self) -> None:
        crashes = [plan.project for plan in scripted(300) if plan.kind == "crash"]
        assert len(crashes) == 3
        assert len(set(crashes)) > 1

    def test_an_unknown_kind_is_refused(self) -> None:
        with pytest.raises(ValueError, match="no such fault: flood"):
            scripted(90, ["flood"])  # type: ignore[list-item]


def may_be_together(one: FaultPlan, other: FaultPlan) -> bool:
    apart = max(one.at_s, other.at_s) >= min(one.ends_at_s, other.ends_at_s) + SETTLE_S
    hidden = any(
        crash.kind == "crash" and set(dependents_of(crash.project)) & hid.touches
        for crash, hid in ((one, other), (other, one))
    )
    both_crash = one.kind == other.kind == "crash"
    return apart or not (one.touches & other.touches or hidden or both_crash)


class TestNumbers:
    @settings(deadline=None)
    @given(kind=st.sampled_from([Chatbot, EmailBlast, SocialMedia]), seed=st.integers(0, 99))
    def test_a_healthy_project_stays_in_the_usual_ranges_all_day(
        self, kind: type[DemoProject], seed: int
    ) -> None:
        now = 0.0
        faults = Faults(clock=lambda: now)
        vitals = Vitals(kind.profile, faults, seed=seed, clock=lambda: now)
        for _ in range(100):
            now += 6.1
            assert 20 < vitals.cpu_percent() < 45
            assert 35 < vitals.memory_percent() < 55
            assert 0.1 < vitals.error_rate_percent() < 1.5
            assert 40 < vitals.response_ms() < 180
            assert vitals.delay_s() == 0

    def test_a_leak_climbs_in_a_straight_line_past_90_percent_in_15_seconds(self) -> None:
        now = 0.0
        faults = Faults(clock=lambda: now)
        vitals = Vitals(Chatbot.profile, faults, seed=1, clock=lambda: now)
        faults.inject("leak")
        seen = []
        for second in range(16):
            now = float(second)
            seen.append(vitals.memory_percent())
        assert seen[0] == pytest.approx(50, abs=0.5)
        assert all(2.5 < b - a < 4.5 for a, b in pairwise(seen[:13]))
        assert seen[10] > 84
        assert 90 < seen[12] < 97
        assert seen[15] < 97

    def test_a_leak_really_holds_memory_and_clearing_gives_it_back(self) -> None:
        now = 0.0
        faults = Faults(clock=lambda: now)
        faults.inject("leak")
        held = []
        for second in (0, 5, 10, 60):
            now = float(second)
            faults.step()
            held.append(faults.hoarded_bytes)
        assert held == sorted(held)
        assert held[0] < held[1] < held[2] <= held[3] == LEAK_LIMIT_BYTES
        faults.clear("leak")
        assert faults.hoarded_bytes == 0

    def test_a_spike_burns_less_than_15_percent_of_a_core_and_stops(self) -> None:
        faults = Faults()
        faults.inject("spike")
        used_s, since = time.process_time(), time.monotonic()
        time.sleep(1.0)
        share = (time.process_time() - used_s) / (time.monotonic() - since)
        faults.clear()
        assert 0.02 < share < 0.16
        eventually(lambda: not any("_burn" in thread.name for thread in threading.enumerate()))

    def test_a_fault_ends_by_itself_when_it_has_a_time(self) -> None:
        now = 0.0
        faults = Faults(clock=lambda: now)
        faults.inject("slow", seconds=3)
        now = 2.9
        assert faults.active() == ("slow",)
        now = 3.0
        assert faults.active() == ()

    def test_the_same_share_of_errors_comes_out_that_goes_in(self) -> None:
        vitals = Vitals(Chatbot.profile, Faults(), seed=1)
        errors = sum(vitals.errors_among(25, 1.5) for _ in range(400))
        assert errors in (149, 150)


class TestLedger:
    def test_the_same_key_is_one_call_that_was_received_twice(self) -> None:
        ledger = CallLedger()
        first, new = ledger.admit("chatbot", "restart", {}, "k1")
        again, new_again = ledger.admit("chatbot", "restart", {}, "k1")
        assert (new, new_again) == (True, False)
        assert first is again
        assert first.received == 2
        with pytest.raises(KeyReused):
            ledger.admit("chatbot", "pause", {}, "k1")

    def test_only_what_was_done_counts_as_an_effect(self) -> None:
        ledger = CallLedger()
        for error in (None, "it does not answer", None):
            ledger.admit("chatbot", "pause", {}, None)[0].finish(error)
        ledger.admit("chatbot", "pause", {}, None)
        assert ledger.report()["effects"] == {"chatbot": {"pause": 2}}


def test_the_projects_file_of_the_fleet_is_valid(tmp_path: Path) -> None:
    urls = {name: f"http://127.0.0.1:{8000 + i}" for i, name in enumerate(PROJECTS)}
    file = tmp_path / "projects.yaml"
    file.write_text(projects_config("http://127.0.0.1:9000", urls), encoding="utf-8")
    specs = {spec.name: spec for spec in read_projects(file)}
    assert {name: spec.url for name, spec in specs.items()} == urls
    assert specs["email-blast"].depends_on == ("chatbot",)
    assert specs["chatbot"].intervals.metrics.total_seconds() == 2
    assert "cpu_percent" in specs["chatbot"].thresholds
    restart, pause = specs["chatbot"].actions["restart"], specs["chatbot"].actions["pause"]
    assert isinstance(restart, HttpAction)
    assert (restart.method, restart.risk, restart.undo) == ("POST", "disruptive", None)
    assert restart.url == "http://127.0.0.1:9000/projects/chatbot/restart"
    assert pause.undo == "resume"


class Fleet:
    """A started platform, and how to ask it and its projects."""

    def __init__(self, process: subprocess.Popen[str], up: dict[str, Any]) -> None:
        self.process = process
        self.url: str = up["platform"]
        self.projects: dict[str, str] = up["projects"]
        self.client = httpx.Client(timeout=10)

    def described(self, name: str) -> dict[str, Any]:
        reply: dict[str, Any] = self.client.get(f"{self.url}/projects/{name}").json()
        return reply

    def post(self, name: str, action: str, body: object = None, **headers: str) -> httpx.Response:
        """Ask for an action and wait until it is done."""
        return self.client.post(
            f"{self.url}/projects/{name}/{action}",
            json=body or {},
            headers={"prefer": "wait", **headers},
        )

    def metrics(self, name: str) -> dict[str, float]:
        reply: dict[str, float] = self.client.get(
            f"{self.projects[name]}/metrics", headers={"accept": "application/json"}
        ).json()
        return reply

    def status(self, name: str) -> dict[str, Any]:
        reply: dict[str, Any] = self.client.get(f"{self.projects[name]}/status").json()
        return reply

    def log(self, name: str) -> str:
        return self.client.get(
            f"{self.projects[name]}/logs?limit=500", headers={"accept": "text/plain"}
        ).text

    def effects(self, name: str) -> dict[str, int]:
        reply = self.client.get(f"{self.url}/calls").json()["effects"].get(name, {})
        return dict(reply)

    def pids(self) -> list[int]:
        return [self.process.pid, *(self.described(name)["pid"] for name in self.projects)]


@contextmanager
def started(*arguments: str) -> Iterator[Fleet]:
    """Start a platform; stop it, if it still runs, at the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "hub.fleet.hosting", *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    with process.stdin, process.stdout:
        fleet = Fleet(process, json.loads(process.stdout.readline()))
        with fleet.client:
            yield fleet
        process.terminate()
        process.wait(5)


@pytest.fixture(scope="module")
def running() -> Iterator[Fleet]:
    with started() as fleet:
        yield fleet


@pytest.fixture
def fleet(running: Fleet) -> Iterator[Fleet]:
    """The module's platform; whatever a test broke is mended afterwards."""
    yield running
    for name in running.projects:
        running.post(name, "clear")
        running.post(name, "resume")


def eventually(holds: Callable[[], bool], within_s: float = 8.0) -> None:
    """Wait until the condition holds, and fail when it does not in time."""
    until = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < until, "the condition did not come true"
        time.sleep(0.05)


def runs(pid: int) -> bool:
    """Tell whether the process exists and is more than a name in the table."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def listens(url: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) == 0


def ask_in_vain(url: str) -> None:
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"{url}/health", timeout=5)


class TestProcesses:
    def test_all_three_answer_the_standard_api_in_good_health(self, fleet: Fleet) -> None:
        listed = fleet.client.get(f"{fleet.url}/projects").json()["projects"]
        assert [project["name"] for project in listed] == list(PROJECTS)
        assert len({project["pid"] for project in listed}) == 3
        for project in listed:
            health = fleet.client.get(f"{project['url']}/health").json()
            assert health["status"] == "healthy"
            assert (
                health["version"] == project["version"] == fleet.status(project["name"])["version"]
            )
            numbers = fleet.metrics(project["name"])
            assert 20 < numbers["cpu_percent"] < 45
            assert 35 < numbers["memory_percent"] < 55
            assert numbers["error_rate_percent"] < 2.5
            assert 40 < numbers["response_ms"] < 200
            assert len(numbers) >= 11
            eventually(lambda name=project["name"]: "started" in fleet.log(name))  # type: ignore[misc]

    def test_a_leak_climbs_in_the_real_process_and_clear_cache_heals_it(self, fleet: Fleet) -> None:
        process = psutil.Process(fleet.described("email-blast")["pid"])
        resident = process.memory_info().rss
        fleet.post("email-blast", "fault", {"kind": "leak"})
        eventually(lambda: fleet.metrics("email-blast")["memory_percent"] > 54)
        assert process.memory_info().rss > resident + 4_000_000
        assert fleet.described("email-blast")["faults"] == ["leak"]
        assert fleet.post("email-blast", "clear_cache").status_code == 200
        assert fleet.metrics("email-blast")["memory_percent"] < 50
        assert fleet.described("email-blast")["faults"] == []

    def test_a_spike_shows_and_pausing_ends_it(self, fleet: Fleet) -> None:
        fleet.post("social-media", "fault", {"kind": "spike"})
        eventually(lambda: 92 <= fleet.metrics("social-media")["cpu_percent"] <= 98)
        fleet.post("social-media", "pause")
        eventually(lambda: fleet.metrics("social-media")["cpu_percent"] < 10)
        assert fleet.status("social-media")["state"] == "paused"
        assert fleet.described("social-media")["state"] == "paused"
        before = fleet.metrics("social-media")["requests_total"]
        time.sleep(0.6)
        assert fleet.metrics("social-media")["requests_total"] == before
        fleet.post("social-media", "resume")
        eventually(lambda: fleet.metrics("social-media")["requests_total"] > before)
        assert fleet.status("social-media")["state"] == "running"

    def test_a_crash_kills_the_process_and_restart_brings_it_back_on_its_port(
        self, fleet: Fleet
    ) -> None:
        before = fleet.described("chatbot")
        assert fleet.post("chatbot", "fault", {"kind": "crash"}).status_code == 200
        assert not runs(before["pid"])
        assert not listens(before["url"])
        crashed = fleet.described("chatbot")
        assert (crashed["state"], crashed["pid"]) == ("crashed", None)
        assert fleet.post("chatbot", "pause").status_code == 409
        fleet.post("chatbot", "restart")
        after = fleet.described("chatbot")
        assert (after["state"], after["url"]) == ("running", before["url"])
        assert after["pid"] != before["pid"]
        assert fleet.client.get(f"{after['url']}/health").status_code == 200

    def test_a_bad_version_fails_requests_until_it_is_rolled_back_and_nobody_is_refused(
        self, fleet: Fleet
    ) -> None:
        before = fleet.described("email-blast")
        refused: list[httpx.HTTPError] = []
        done = threading.Event()

        def keep_asking() -> None:
            while not done.is_set():
                try:
                    httpx.get(f"{before['url']}/health")
                except httpx.ConnectError as error:
                    refused.append(error)
                time.sleep(0.01)

        asking = threading.Thread(target=keep_asking)
        asking.start()
        fleet.post("email-blast", "deploy", {"version": "4.0.0", "bad": True})
        done.set()
        asking.join()
        assert refused == []
        status = fleet.status("email-blast")
        assert status["version"] == "4.0.0"
        assert datetime.fromisoformat(status["deployed_at"]) > datetime.fromisoformat(
            before["deployed_at"]
        )
        eventually(lambda: 12 < fleet.metrics("email-blast")["error_rate_percent"] < 25)
        eventually(lambda: "KeyError: 'unsubscribe_url'" in fleet.log("email-blast"))
        fleet.post("email-blast", "restart")
        assert fleet.described("email-blast")["faults"] == ["errors"]
        fleet.post("email-blast", "rollback")
        after = fleet.described("email-blast")
        assert after["version"] == before["version"]
        assert [entry["event"] for entry in after["history"]][-2:] == ["rolled back", "started"]
        assert fleet.metrics("email-blast")["error_rate_percent"] < 3

    def test_slow_holds_back_every_answer_but_the_control(self, fleet: Fleet) -> None:
        url = fleet.projects["social-media"]
        fleet.post("social-media", "fault", {"kind": "slow"})
        asked = time.monotonic()
        assert fleet.client.get(f"{url}/health").json()["status"] == "healthy"
        assert 2.4 < time.monotonic() - asked < 3.5
        asked = time.monotonic()
        assert fleet.client.get(f"{url}/control").json()["faults"] == ["slow"]
        assert fleet.post("social-media", "clear").status_code == 200
        assert time.monotonic() - asked < 1
        assert fleet.metrics("social-media")["response_ms"] > 500

    def test_the_tangled_case_shows_in_two_projects_and_only_the_old_configuration_heals_it(
        self, fleet: Fleet
    ) -> None:
        fleet.post("chatbot", "fault", {"kind": "tangled"})
        fleet.post("chatbot", "restart")
        assert fleet.described("chatbot")["faults"] == ["tangled"]
        assert fleet.status("chatbot")["config_revision"] == 8
        eventually(lambda: fleet.metrics("email-blast")["error_rate_percent"] > 5)
        eventually(lambda: fleet.metrics("chatbot")["cache_hit_ratio"] < 0.3)
        eventually(lambda: fleet.metrics("chatbot")["response_ms"] > 2000)
        numbers = fleet.metrics("chatbot")
        assert numbers["upstream_calls_per_s"] > 40
        assert numbers["error_rate_percent"] < 3
        assert fleet.client.get(f"{fleet.projects['chatbot']}/health").json()["status"] == "healthy"
        assert "cache.key_fields = ['tenant', 'prompt', 'request_id']" in fleet.log("chatbot")
        assert "finish_reason=rate_limited" in fleet.log("email-blast")
        assert fleet.post("chatbot", "revert_config").status_code == 200
        assert fleet.described("chatbot")["faults"] == []
        assert fleet.status("chatbot")["config_revision"] == 7
        assert fleet.post("chatbot", "revert_config").status_code == 409

    def test_one_idempotency_key_has_one_effect_and_one_answer(self, fleet: Fleet) -> None:
        before = fleet.effects("chatbot").get("clear_cache", 0)
        url = f"{fleet.url}/projects/chatbot/clear_cache"
        answers = [
            fleet.client.post(url, headers={"idempotency-key": "only-once"}) for _ in range(3)
        ]
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.text for answer in answers}) == 1
        assert set(answers[0].json()) == {"id", "project", "action", "accepted_at"}
        eventually(lambda: fleet.effects("chatbot").get("clear_cache", 0) == before + 1)
        calls = fleet.client.get(f"{fleet.url}/calls").json()["calls"]
        assert [call["received"] for call in calls if call["idempotency_key"] == "only-once"] == [3]
        reused = fleet.post("chatbot", "pause", **{"idempotency-key": "only-once"})
        assert reused.status_code == 422

    @pytest.mark.parametrize(
        ("path", "body", "status", "said"),
        [
            ("chatbot/deploy", {}, 400, "version must be a text"),
            ("chatbot/deploy", {"version": "2", "bad": "yes"}, 400, "bad must be true or false"),
            ("chatbot/scale", {"instances": 0}, 400, "instances must be 1 to 100"),
            ("chatbot/restart", {"hard": True}, 400, "unknown: hard"),
            ("chatbot/fault", {"kind": "flood"}, 400, "kind must be one of leak"),
            ("chatbot/fault", {"kind": "leak", "seconds": -1}, 400, "seconds must be above 0"),
            ("social-media/fault", {"kind": "tangled"}, 400, "only chatbot has"),
            ("chatbot/restart", [], 400, "must be a JSON object"),
            ("chatbot/explode", {}, 404, "no such action"),
            ("nobody/restart", {}, 404, "not found"),
        ],
    )
    def test_what_cannot_be_done_is_refused_with_the_reason(
        self, running: Fleet, path: str, body: object, status: int, said: str
    ) -> None:
        reply = running.client.post(f"{running.url}/projects/{path}", json=body)
        assert reply.status_code == status
        assert said in reply.json()["error"]

    def test_scaling_is_noted(self, fleet: Fleet) -> None:
        fleet.post("chatbot", "scale", {"instances": 3})
        assert fleet.described("chatbot")["instances"] == 3

    async def test_the_director_plays_a_plan_and_ends_what_nobody_healed(
        self, fleet: Fleet
    ) -> None:
        def plan(kind: FaultKind, project: str, at_s: float) -> FaultPlan:
            return FaultPlan(kind=kind, project=project, at_s=at_s, ends_after_s=1.2)

        plans = [
            plan("crash", "social-media", 0.0),
            plan("errors", "chatbot", 0.1),
            plan("leak", "email-blast", 0.2),
        ]
        injected: list[str] = []
        cleared: dict[str, bool] = {}

        def on_injected(plan: FaultPlan, at: datetime) -> None:
            injected.append(plan.kind)
            if plan.kind == "leak":
                threading.Timer(0.2, fleet.post, ("email-blast", "clear_cache")).start()

        def on_cleared(plan: FaultPlan, at: datetime, healed: bool) -> None:
            cleared[plan.kind] = healed

        played = await play(plans, fleet.url, on_injected, on_cleared)
        assert sorted(injected) == ["crash", "errors", "leak"]
        assert cleared == {"crash": False, "errors": False, "leak": True}
        assert [fault.error for fault in played] == [None] * 3
        for fault in played:
            assert fault.injected_at
            assert fault.cleared_at
            assert fault.injected_at < fault.cleared_at
        for name in PROJECTS:
            described = fleet.described(name)
            assert (described["state"], described["faults"]) == ("running", [])

    async def test_a_plan_that_cannot_be_played_becomes_an_error(self, fleet: Fleet) -> None:
        impossible = FaultPlan(kind="tangled", project="social-media", at_s=0, ends_after_s=1)
        (played,) = await play([impossible], fleet.url)
        assert played.error is not None
        assert played.cleared_at is None


class TestEnd:
    def test_nothing_is_left_when_the_platform_is_killed(self) -> None:
        with started() as fleet:
            pids = fleet.pids()
            assert all(map(runs, pids))
            os.kill(fleet.process.pid, signal.SIGKILL)
            eventually(lambda: not any(map(runs, pids)), within_s=3)

    def test_sigterm_stops_all_within_two_seconds_even_with_open_connections(self) -> None:
        with started() as fleet:
            fleet.post("chatbot", "fault", {"kind": "slow"})
            pids = fleet.pids()
            asking = threading.Thread(target=ask_in_vain, args=(fleet.projects["chatbot"],))
            asking.start()
            time.sleep(0.2)
            asked = time.monotonic()
            fleet.process.send_signal(signal.SIGTERM)
            assert fleet.process.wait(5) == 0
            assert time.monotonic() - asked < 2
            assert not any(map(runs, pids))
            asking.join()

    def test_it_restarts_by_itself_when_told_to_and_ends_with_its_standard_input(self) -> None:
        with started("--auto-restart", "0.2", "--until-stdin-closes") as fleet:
            before = fleet.described("social-media")["pid"]
            fleet.post("social-media", "fault", {"kind": "crash"})
            eventually(lambda: fleet.described("social-media")["state"] == "running")
            pids = fleet.pids()
            assert before not in pids
            assert fleet.process.stdin
            fleet.process.stdin.close()
            eventually(lambda: not any(map(runs, pids)), within_s=3)

    def test_a_taken_port_is_one_line_and_no_traceback(self, running: Fleet) -> None:
        port = running.url.rpartition(":")[2]
        failed = subprocess.run(
            [sys.executable, "-m", "hub.fleet.hosting", "--port", port],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
        assert failed.returncode == 1
        assert failed.stderr.startswith("the fleet does not start: ")
        assert "Traceback" not in failed.stderr
