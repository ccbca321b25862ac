"""Every agent: cycle after cycle, errors recorded, started again with backoff, stopped cleanly."""

import asyncio
from contextlib import suppress

import pytest

from flows import agent as agent_module
from flows.agent import Agent
from flows.flow_runs.cycle import Cycle
from tests.programs import eventually


class Followed:
    """Keeps what it was asked to follow."""

    def __init__(self) -> None:
        self.cycles: list[Cycle] = []

    def follow(self, cycle: Cycle, work: "asyncio.Future[None]") -> None:
        self.cycles.append(cycle)


class Worker(Agent):
    """Fails in the cycles it is told to."""

    name = "worker"

    def __init__(self, failing: set[int]) -> None:
        super().__init__("h")
        self.failing = failing
        self.cycles = self.starts = self.stops = 0

    async def start(self) -> None:
        self.starts += 1

    async def handle(self, cycle: Cycle) -> None:
        self.cycles += 1
        await asyncio.sleep(0)
        if self.cycles in self.failing:
            raise ValueError(f"cycle {self.cycles}")
        self.handled += 1

    async def stop(self) -> None:
        self.stops += 1


async def _run_until(worker: Worker, cycles: int, runs: Followed) -> list[str]:
    failures: list[str] = []
    task = asyncio.create_task(worker.run(runs, lambda _, error: failures.append(str(error))))

    async def done() -> bool:
        return worker.cycles >= cycles

    await eventually(done, every_s=0.001)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return failures


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_module, "RESTART_FIRST_S", 0.001)


async def test_cycles_follow_each_other_and_are_shown() -> None:
    worker, runs = Worker(set()), Followed()
    await _run_until(worker, 3, runs)
    assert worker.starts == 1
    assert len(runs.cycles) >= 3
    assert runs.cycles[0].agent == "worker"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_failure_is_recorded_and_the_agent_starts_again() -> None:
    worker = Worker({2})
    failures = await _run_until(worker, 4, Followed())
    assert failures == ["cycle 2"]
    assert (worker.errors, worker.last_error) == (1, "ValueError: cycle 2")
    assert worker.starts == 2
    assert worker.heartbeat().errors == 1


async def test_it_stops_after_a_failure_and_at_the_end() -> None:
    worker = Worker({1})
    await _run_until(worker, 2, Followed())
    assert worker.stops == 2
    assert worker.heartbeat().state == "stopped"


async def test_a_cycle_that_hangs_shows_as_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("flows.agent.time.monotonic", lambda: now)
    worker = Worker(set())
    worker.beat()
    now = 160.0
    assert worker.heartbeat().silent_s == 60.0
