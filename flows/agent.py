"""What every agent is: started, given cycle after cycle, stopped, started again if it fails."""

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime
from typing import ClassVar, Protocol

from config.errors import OpsloreError
from data.agents import AgentState, Heartbeat
from flows.flow_runs.cycle import Cycle

logger = logging.getLogger(__name__)

RESTART_FIRST_S = 0.5
RESTART_LONGEST_S = 30.0


class Runs(Protocol):
    """Where cycles are shown; never waits for the one who shows them."""

    def follow(self, cycle: Cycle, work: asyncio.Future[None]) -> None: ...


class Agent(ABC):
    """One concern of the hub, as a loop of cycles.

    A subclass loads what it needs in `start`, does one cycle's work in `handle` and gives back
    what it holds in `stop`. It calls `beat` whenever it makes progress and adds to `handled`.
    An exception out of `start` or `handle` is recorded and the agent is started again.
    """

    name: ClassVar[str]

    def __init__(self, hub: str) -> None:
        self.hub = hub
        self.handled = 0
        self.errors = 0
        self.last_error: str | None = None
        self.last_error_at: datetime | None = None
        self.state: AgentState = "stopped"
        self.started_at = datetime.now(UTC)
        self._alive_at = time.monotonic()

    async def start(self) -> None:
        """Acquire what the cycles need."""

    @abstractmethod
    async def handle(self, cycle: Cycle) -> None:
        """Do one cycle's work, tell of it through `cycle`, return when the cycle is over."""

    async def stop(self) -> None:
        """Give back what `start` and the cycles acquired; runs after a failure too."""

    def cycle_name(self, now: datetime) -> str:
        """Name the next cycle for the person who reads the list of runs."""
        return f"{self.name} {now:%H:%M:%S}"

    def beat(self) -> None:
        """Give a sign of life."""
        self._alive_at = time.monotonic()

    def heartbeat(self) -> Heartbeat:
        return Heartbeat(
            agent=self.name,
            state=self.state,
            started_at=self.started_at,
            silent_s=time.monotonic() - self._alive_at,
            handled=self.handled,
            errors=self.errors,
            last_error=self.last_error,
            last_error_at=self.last_error_at,
        )

    async def run(self, runs: Runs, on_failure: Callable[["Agent", Exception], None]) -> None:
        """Work until cancelled.

        1. Start, then one cycle after another, each followed by `runs`.
        2. After a failure: stop, wait 0.5 s doubling to 30 s, start again. A cycle that ends
           well resets the wait.
        """
        delay_s = RESTART_FIRST_S
        try:
            while True:
                try:
                    await self._start()
                    while True:
                        await self._cycle(runs)
                        delay_s = RESTART_FIRST_S
                except Exception as error:  # the boundary: whatever failed, the hub goes on
                    self._note_failure(error)
                    on_failure(self, error)
                await self._stop("restarting")
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, RESTART_LONGEST_S)
        finally:
            await self._stop("stopped")

    async def _start(self) -> None:
        self.started_at = datetime.now(UTC)
        self.beat()
        await self.start()
        self.state = "running"

    async def _cycle(self, runs: Runs) -> None:
        now = datetime.now(UTC)
        cycle = Cycle(agent=self.name, hub=self.hub, started_at=now, name=self.cycle_name(now))
        work = asyncio.ensure_future(self.handle(cycle))
        runs.follow(cycle, work)
        try:
            await work
        finally:
            work.cancel()
        self.beat()

    async def _stop(self, state: AgentState) -> None:
        self.state = state
        try:
            await self.stop()
        except Exception:
            logger.exception("%s did not stop cleanly", self.name)

    def _note_failure(self, error: Exception) -> None:
        self.errors += 1
        self.last_error = f"{type(error).__name__}: {error}"[:500]
        self.last_error_at = datetime.now(UTC)
        known = isinstance(error, OpsloreError)
        logger.error(
            "%s failed and starts again: %s",
            self.name,
            self.last_error,
            exc_info=None if known else error,
        )
