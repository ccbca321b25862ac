"""Cycles as flow runs, against a real Prefect server on the embedded Postgres."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from data.embedded import EmbeddedPostgres
from flows.flow_runs.cycle import MOST_LINES, Cycle
from flows.flow_runs.runs import FlowRuns
from hub.prefect_server import PrefectServer

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

NOBODY = "http://127.0.0.1:1/api"
_numbers = count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(
    cluster: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[PrefectServer]:
    await asyncio.to_thread(cluster.url, "prefect")
    address = f"postgresql+asyncpg://postgres@/prefect?host={cluster.socket_folder}"
    home = tmp_path_factory.mktemp("opslore")
    async with PrefectServer(home=home, port=0, database_url=address) as server:
        await server.ready()
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def runs(server: PrefectServer) -> AsyncIterator[FlowRuns]:
    runs = FlowRuns(server.api_url, "hub-1", check_every_s=0.2)
    await runs.start()
    await until(lambda: runs.reachable)
    yield runs
    await runs.stop()


async def until(is_so: Callable[[], bool], within_s: float = 30.0) -> None:
    async with asyncio.timeout(within_s):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def cycle(agent: str = "poller", name: str = "poll", hub: str = "hub-1") -> Cycle:
    now = datetime.now(UTC)
    return Cycle(agent=agent, hub=hub, started_at=now, name=f"{name} {next(_numbers)}")


async def shown(runs: FlowRuns, of: Cycle, work: Coroutine[Any, Any, None]) -> None:
    """Have the work followed, and wait until every run is written."""
    task = asyncio.ensure_future(work)
    runs.follow(of, task)
    await asyncio.wait({task})
    await until(lambda: runs.waiting == 0)


async def found(server: PrefectServer, name: str) -> dict[str, Any]:
    """Return the one run of that name, with its lines."""
    async with httpx.AsyncClient(base_url=server.api_url) as client:
        of_that_name = {"flow_runs": {"name": {"any_": [name]}}}
        [run] = (await client.post("/flow_runs/filter", json=of_that_name)).json()
        its_lines = {"logs": {"flow_run_id": {"any_": [run["id"]]}}, "sort": "TIMESTAMP_ASC"}
        run["lines"] = (await client.post("/logs/filter", json=its_lines)).json()
        run["flow"] = (await client.get(f"/flows/{run['flow_id']}")).json()["name"]
    return dict(run)


async def names(server: PrefectServer, tag: str) -> set[str]:
    async with httpx.AsyncClient(base_url=server.api_url) as client:
        wanted = {"flow_runs": {"tags": {"all_": [tag]}}}
        return {run["name"] for run in (await client.post("/flow_runs/filter", json=wanted)).json()}


async def shown_as_running(server: PrefectServer, hub: str, name: str) -> None:
    async with asyncio.timeout(30):
        while name not in await names(server, f"hub:{hub}"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        while (await found(server, name))["state_type"] != "RUNNING":  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def nothing() -> None: ...


async def test_a_cycle_shows_as_a_completed_run_of_its_agents_flow(
    runs: FlowRuns, server: PrefectServer
) -> None:
    poll = cycle()
    poll.summary = "300 probes, 2 down, p95 120 ms"
    await shown(runs, poll, nothing())
    run = await found(server, poll.name)
    assert (run["flow"], run["state_type"]) == ("poller", "COMPLETED")
    assert run["state"]["message"] == "300 probes, 2 down, p95 120 ms"
    assert set(run["tags"]) == {"opslore", "hub:hub-1", "agent:poller"}
    assert run["parameters"] == {"hub": "hub-1", "started_at": poll.started_at.isoformat()}


async def test_a_run_shows_exactly_the_lines_of_its_cycle_and_its_summary(
    runs: FlowRuns, server: PrefectServer
) -> None:
    poll = cycle()
    poll.summary = "done"
    poll.log("first")
    poll.log("second", logging.DEBUG)
    await shown(runs, poll, nothing())
    lines = (await found(server, poll.name))["lines"]
    assert [(line["level"], line["message"]) for line in lines] == [
        (20, "first"),
        (10, "second"),
        (20, "done"),
    ]
    assert datetime.fromisoformat(lines[0]["timestamp"]) == poll.logged_at[0]


async def test_a_run_is_running_while_its_work_goes_on(
    runs: FlowRuns, server: PrefectServer
) -> None:
    poll = cycle()
    goes_on = asyncio.Event()

    async def work() -> None:
        await goes_on.wait()

    task = asyncio.ensure_future(work())
    runs.follow(poll, task)
    await shown_as_running(server, "hub-1", poll.name)
    goes_on.set()
    await until(lambda: runs.waiting == 0)
    assert (await found(server, poll.name))["state_type"] == "COMPLETED"


async def test_a_failing_cycle_shows_as_failed_with_its_own_exception(
    runs: FlowRuns, server: PrefectServer
) -> None:
    async def work() -> None:
        raise ValueError("no such table: samples")

    poll = cycle()
    await shown(runs, poll, work())
    run = await found(server, poll.name)
    assert run["state_type"] == "FAILED"
    assert run["state"]["message"] == "ValueError: no such table: samples"
    assert "trouble" in run["tags"]
    assert run["lines"][-1]["level"] == logging.ERROR
    assert "in work" in run["lines"][-1]["message"]


async def test_a_cancelled_cycle_shows_as_cancelled(runs: FlowRuns, server: PrefectServer) -> None:
    poll = cycle()
    task = asyncio.ensure_future(asyncio.sleep(60))
    runs.follow(poll, task)
    task.cancel()
    await until(lambda: runs.waiting == 0)
    assert (await found(server, poll.name))["state_type"] == "CANCELLED"


async def test_a_cycle_that_warned_is_tagged_as_trouble(
    runs: FlowRuns, server: PrefectServer
) -> None:
    poll = cycle()
    poll.log("chatbot is down", logging.WARNING)
    await shown(runs, poll, nothing())
    run = await found(server, poll.name)
    assert set(run["tags"]) == {"opslore", "hub:hub-1", "agent:poller", "trouble"}


async def test_lines_beyond_the_limit_are_counted() -> None:
    poll = cycle()
    for number in range(MOST_LINES + 3):
        poll.log(str(number))
    assert (len(poll.lines), poll.left_out) == (MOST_LINES, 3)


async def test_following_returns_at_once(runs: FlowRuns) -> None:
    took = []
    for _ in range(20):
        began = time.perf_counter()
        runs.follow(cycle(), asyncio.ensure_future(nothing()))
        took.append(time.perf_counter() - began)
        await asyncio.sleep(0)
    await until(lambda: runs.waiting == 0)
    assert sorted(took)[10] < 0.005


async def test_an_open_run_is_shown_as_cancelled_when_the_hub_stops(server: PrefectServer) -> None:
    runs = FlowRuns(server.api_url, "hub-3", check_every_s=0.2)
    await runs.start()
    await until(lambda: runs.reachable)
    poll = cycle(hub="hub-3")
    task = asyncio.ensure_future(asyncio.sleep(60))
    runs.follow(poll, task)
    await shown_as_running(server, "hub-3", poll.name)
    await runs.stop()
    task.cancel()
    assert (await found(server, poll.name))["state_type"] == "CANCELLED"


async def test_runs_that_a_dead_hub_left_open_are_closed_by_the_next_of_its_name(
    server: PrefectServer,
) -> None:
    program = (
        "import asyncio\nfrom datetime import UTC, datetime\n"
        "from flows.flow_runs.cycle import Cycle\nfrom flows.flow_runs.runs import FlowRuns\n"
        "async def main():\n"
        f"    runs = FlowRuns({server.api_url!r}, 'hub-2')\n"
        "    await runs.start()\n"
        "    while not runs.reachable: await asyncio.sleep(0.05)\n"
        "    work = asyncio.ensure_future(asyncio.sleep(60))\n"
        "    now = datetime.now(UTC)\n"
        "    runs.follow(Cycle(agent='a', hub='hub-2', started_at=now, name='left open'), work)\n"
        "    await work\n"
        "asyncio.run(main())"
    )
    root = Path(__file__).parents[2]
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, cwd=root)
    try:
        await shown_as_running(server, "hub-2", "left open")
    finally:
        process.kill()
        await process.wait()
    runs = FlowRuns(server.api_url, "hub-2")
    await runs.start()
    await until(lambda: runs.reachable)
    await runs.stop()
    assert (await found(server, "left open"))["state_type"] == "CRASHED"


async def test_pruning_deletes_old_runs_and_leaves_young_ones(
    server: PrefectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = timedelta(0)
    runs = FlowRuns(server.api_url, "hub-4", now=lambda: datetime.now(UTC) + later)
    await runs.start()
    await until(lambda: runs.reachable)
    old = cycle(agent="pruned")
    await shown(runs, old, nothing())
    assert await runs.prune(timedelta(minutes=1)) == 0
    later = timedelta(minutes=2)
    assert await runs.prune(timedelta(minutes=1)) >= 1
    later = timedelta(0)
    young = cycle(agent="pruned")
    await shown(runs, young, nothing())
    assert await names(server, "agent:pruned") == {young.name}
    await runs.stop()


async def test_without_an_address_every_cycle_is_dropped_and_nothing_is_started() -> None:
    for address in (None, ""):
        runs = FlowRuns(address, "hub-1")
        await runs.start()
        runs.follow(cycle(), asyncio.ensure_future(nothing()))
        assert (runs.reachable, runs.dropped, runs.written) == (False, 1, 0)
        assert await runs.prune(timedelta(days=1)) == 0
        await runs.stop()


async def test_an_api_that_is_not_there_is_no_hindrance() -> None:
    runs = FlowRuns(NOBODY, "hub-1", check_every_s=0.05)
    await runs.start()
    await until(lambda: runs.unreachable_since is not None)
    runs.follow(cycle(), asyncio.ensure_future(nothing()))
    assert (runs.reachable, runs.dropped, runs.latency_ms) == (False, 1, None)
    await runs.stop()


async def test_cycles_go_on_while_a_killed_api_is_away_and_runs_come_back(
    runs: FlowRuns, server: PrefectServer
) -> None:
    assert server.child is not None
    assert server.child.pid is not None
    open_then = cycle(name="open")
    goes_on = asyncio.Event()
    runs.follow(open_then, asyncio.ensure_future(_wait_for(goes_on)))
    await shown_as_running(server, "hub-1", open_then.name)
    os.kill(server.child.pid, signal.SIGKILL)
    worst_s = 0.0
    done = 0
    async with asyncio.timeout(60):
        while runs.reachable or done < 20:
            began = time.perf_counter()
            task = asyncio.ensure_future(nothing())
            runs.follow(cycle(name="away"), task)
            worst_s = max(worst_s, time.perf_counter() - began)
            await task
            done += 1
            await asyncio.sleep(0.02)
    assert runs.unreachable_since is not None
    assert runs.dropped > 0
    assert worst_s < 0.25
    goes_on.set()
    await until(lambda: runs.reachable, within_s=60)
    assert runs.unreachable_since is None
    back = cycle(name="back")
    await shown(runs, back, nothing())
    run = await found(server, back.name)
    assert run["state_type"] == "COMPLETED"
    assert "monitoring went on" in run["lines"][0]["message"]
    await shown(runs, cycle(), nothing())
    assert (await found(server, open_then.name))["state_type"] == "COMPLETED"


async def test_an_api_that_hangs_counts_as_away_until_it_goes_on(
    runs: FlowRuns, server: PrefectServer
) -> None:
    assert server.child is not None
    assert server.child.pid is not None
    os.kill(server.child.pid, signal.SIGSTOP)
    try:
        for _ in range(3):
            runs.follow(cycle(name="hung"), asyncio.ensure_future(nothing()))
        await until(lambda: not runs.reachable, within_s=10)
    finally:
        os.kill(server.child.pid, signal.SIGCONT)
    await until(lambda: runs.reachable)
    after = cycle(name="after")
    await shown(runs, after, nothing())
    assert after.name in await names(server, "agent:poller")


async def _wait_for(event: asyncio.Event) -> None:
    await event.wait()


async def test_prefect_leaves_the_logging_and_the_signals_of_the_hub_alone(
    tmp_path: Path,
) -> None:
    program = (
        "import asyncio, logging, signal, sys\nfrom flows.flow_runs.runs import FlowRuns\n"
        "logging.basicConfig(filename=sys.argv[1], level=logging.INFO)\n"
        "before = logging.getLogger().handlers[:], signal.getsignal(signal.SIGTERM)\n"
        "async def main():\n"
        f"    runs = FlowRuns({NOBODY!r}, 'hub')\n"
        "    await runs.start()\n"
        "    while runs.unreachable_since is None: await asyncio.sleep(0.05)\n"
        "    await runs.stop()\n"
        "asyncio.run(main())\n"
        "assert 'prefect.main' in sys.modules\n"
        "assert before == (logging.getLogger().handlers, signal.getsignal(signal.SIGTERM))\n"
        "logging.info('still written')\n"
    )
    log = tmp_path / "hub.log"
    root = Path(__file__).parents[2]
    argv = [sys.executable, "-c", program, str(log)]
    await asyncio.to_thread(subprocess.run, argv, cwd=root, check=True, timeout=60)
    assert log.read_text() == "INFO:root:still written\n"
