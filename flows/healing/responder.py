"""The agent that heals: it claims incidents that are due and takes each as far as it goes."""

import asyncio
import logging
import time
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from config.errors import OpsloreError
from data import incidents
from data.bus import wait_for
from data.database import DatabaseUnavailable
from flows.agent import Agent
from flows.flow_runs.cycle import Cycle
from flows.healing import by_hand, healer, healing_events
from flows.healing.means import AT_ONCE, Means

logger = logging.getLogger(__name__)

LEASE: Final = timedelta(seconds=10)
RENEW_EVERY_S: Final = 3.0
LOOK_EVERY_S: Final = 1.0
MOST_AT_ONCE: Final = 32
AFTER_FAILURE: Final = timedelta(seconds=5)
LEAVE_WITHIN_S: Final = 3.0


class Responder(Agent):
    """Works on due incidents, several at a time, and wakes at every event.

    An incident is this hub's alone while it holds the claim; what it does survives the hub,
    because every step is in the record before the next is taken.
    """

    name = healing_events.AGENT

    def __init__(
        self,
        hub: str,
        means: Means,
        *,
        cycle: timedelta,
        events: asyncio.Event,
        registry: asyncio.Event,
    ) -> None:
        super().__init__(hub)
        self._means = means
        self._cycle_s = cycle.total_seconds()
        self._events, self._registry = events, registry
        self._working: dict[int, asyncio.Task[None]] = {}
        self._by_hand: dict[object, asyncio.Task[None]] = {}
        self._current: Cycle | None = None
        self._renewed_at = 0.0

    async def start(self) -> None:
        await self._means.fleet.read(self._means.database)

    async def handle(self, cycle: Cycle) -> None:
        """Begin work on what is due, until the cycle is over; work goes on over its end."""
        self._current = cycle
        before = self.handled
        ends_at = time.monotonic() + self._cycle_s
        while (left_s := ends_at - time.monotonic()) > 0:
            idle_s = await self._look_around()
            self.beat()
            await wait_for(self._events, min(left_s, idle_s))
        cycle.summary = f"{self.handled - before} steps, {len(self._working)} incidents at work"

    def cycle_name(self, now: datetime) -> str:
        return f"respond {now:%H:%M:%S}"

    async def stop(self) -> None:
        """Let go: what is just being carried out is recorded as unknown, claims are given back."""
        tasks = [*self._working.values(), *self._by_hand.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=LEAVE_WITHIN_S)

    async def _look_around(self) -> float:
        """Begin what is due and return how long there is nothing to begin, as far as is known.

        A Postgres that is away for a moment does not end what is being carried out.
        """
        try:
            if self._registry.is_set():
                await self._read_fleet()
            await self._renew()
            await self._begin_work()
            return await self._idle_s()
        except DatabaseUnavailable as error:
            self._note(f"{type(error).__name__}: {error}")
            logger.warning("nothing is begun: %s", error)
            return LOOK_EVERY_S

    async def _read_fleet(self) -> None:
        """Read the registry; what is announced while it is read is read next time."""
        self._registry.clear()
        try:
            await self._means.fleet.read(self._means.database)
        except BaseException:
            self._registry.set()
            raise

    async def _begin_work(self) -> None:
        database = self._means.database
        room = MOST_AT_ONCE - len(self._working)
        if room > 0:
            claimed = await incidents.claim_due(
                database, self.hub, lease=LEASE, limit=room, without=self._working
            )
            for number in claimed:
                self._spawn(self._working, number, self._work_on(number))
        for attempt in await by_hand.waiting(database):
            if attempt.id not in self._by_hand:
                work = by_hand.advance(self._means, attempt, self._log)
                self._spawn(self._by_hand, attempt.id, work)

    def _spawn(
        self, tasks: dict[Any, asyncio.Task[None]], key: object, work: Coroutine[Any, Any, None]
    ) -> None:
        task = asyncio.create_task(self._guarded(key, work), name=f"healing {key}")
        tasks[key] = task
        task.add_done_callback(lambda done: tasks.get(key) is done and tasks.pop(key))

    async def _guarded(self, key: object, work: Coroutine[Any, Any, None]) -> None:
        """Do work whose failure must not keep the others from theirs; record it."""
        try:
            await work
            self.handled += 1
        except Exception as error:
            self._note(f"incident {key}: {type(error).__name__}: {error}")
            known = isinstance(error, OpsloreError)
            logger.error("%s", self.last_error, exc_info=None if known else error)

    def _note(self, error: str) -> None:
        self.errors += 1
        self.last_error = error[:500]
        self.last_error_at = datetime.now(UTC)

    async def _work_on(self, number: int) -> None:
        look: timedelta | None = AFTER_FAILURE
        try:
            look = await healer.advance(self._means, number, self._log)
        except asyncio.CancelledError:
            look = AT_ONCE  # for another hub
            raise
        finally:
            await incidents.release_claim(self._means.database, self.hub, number, after=look)
            self._events.set()

    async def _renew(self) -> None:
        if self._working and time.monotonic() - self._renewed_at > RENEW_EVERY_S:
            held = list(self._working)
            await incidents.renew_claims(self._means.database, self.hub, held, lease=LEASE)
            self._renewed_at = time.monotonic()

    async def _idle_s(self) -> float:
        due_s = await incidents.next_due_in_s(self._means.database)
        return LOOK_EVERY_S if due_s is None else min(LOOK_EVERY_S, max(due_s, 0.02))

    def _log(self, line: str) -> None:
        if self._current is not None:
            self._current.log(line, logging.INFO)
