"""The cycles of the agents as Prefect flow runs, without the work ever waiting for Prefect.

An agent does its cycle's work as an asyncio task. Beside it a real flow mirrors the cycle: its
body waits for the work to end and then takes over its outcome. A Prefect that is slow, hangs or
is dead can so neither delay nor fail the work.

The mirrors run in a thread of their own with an event loop of their own, because in the loop of
the agents
- `import prefect` would block for 2 to 3 s and the first run for another 0.3 to 0.8 s,
- each run would block for its 20 ms of computing in pieces of several ms,
- each run would take the process's SIGTERM handler for itself as long as it lasts.
"""

import asyncio
import gc
import logging
import os
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from flows.flow_runs.cycle import STOP_WITHIN_S, Cycle, Followed, Outcome
from flows.flow_runs.reachability import Reachability

if TYPE_CHECKING:
    from flows.flow_runs.mirror import Mirror

logger = logging.getLogger(__name__)

MOST_WAITING = 64


def _utc_now() -> datetime:
    return datetime.now(UTC)


class FlowRuns:
    """Shows cycles as flow runs while Prefect's API answers.

    Cycles that begin while it does not are dropped and not written later; the first run after
    that tells of the gap. Without an `api_url` everything is dropped.
    `reachable`, `unreachable_since` and `latency_ms` are as of the last check.
    """

    def __init__(
        self,
        api_url: str | None,
        hub: str,
        *,
        check_every_s: float = 3.0,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._api_url = (api_url or "").rstrip("/")
        self._hub = hub
        self._reachability = Reachability(self._api_url, every_s=check_every_s, now=now)
        self._now = now
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._mirror: Mirror | None = None
        self._handed_over = 0
        self._refused = 0

    @property
    def reachable(self) -> bool:
        return self._reachability.reachable

    @property
    def unreachable_since(self) -> datetime | None:
        return self._reachability.unreachable_since

    @property
    def latency_ms(self) -> float | None:
        return self._reachability.latency_ms

    @property
    def written(self) -> int:
        """How many cycles became flow runs."""
        return self._mirror.written if self._mirror else 0

    @property
    def dropped(self) -> int:
        """How many cycles did not: Prefect was away, too slow, or refused them."""
        return self._refused + (self._mirror.failed if self._mirror else 0)

    @property
    def waiting(self) -> int:
        """How many runs are open: their work goes on, or Prefect has not taken them yet."""
        return self._handed_over - (self._mirror.over if self._mirror else 0)

    async def start(self) -> None:
        """Begin to look for the API; returns at once, Prefect is loaded in the background."""
        if not self._api_url or self._thread is not None:
            return
        self._thread = threading.Thread(target=self._serve, name="flow-runs", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Give open runs 3 s to be written, and leave the rest as they are."""
        thread, self._thread = self._thread, None
        mirror, loop = self._mirror, self._loop
        if thread is None:
            return
        if mirror is not None and loop is not None:
            _call_soon(loop, mirror.close)
        await asyncio.to_thread(thread.join, STOP_WITHIN_S)

    def follow(self, cycle: Cycle, work: "asyncio.Future[None]") -> None:
        """Show the cycle as a flow run that ends when the work does; returns at once.

        The work's exception is read here, so an agent that never looks at it gets no warning.
        """
        mirror, loop = self._mirror, self._loop
        if mirror is None or loop is None or not self.reachable or self.waiting >= MOST_WAITING:
            self._refused += 1
            return
        followed = Followed(cycle, futures.Future())
        if not _call_soon(loop, partial(mirror.take, followed)):
            self._refused += 1
            return
        self._handed_over += 1
        work.add_done_callback(partial(self._ended, followed))

    async def prune(self, older_than: timedelta) -> int:
        """Delete our flow runs that began longer ago; return how many went.

        Deletes a bounded number in one call, and nothing while the API is away.
        """
        mirror, loop = self._mirror, self._loop
        if mirror is None or loop is None or not self.reachable:
            return 0
        pruning = asyncio.run_coroutine_threadsafe(mirror.prune(self._now() - older_than), loop)
        return await asyncio.wrap_future(pruning)

    def _ended(self, followed: Followed, work: "asyncio.Future[None]") -> None:
        cancelled = work.cancelled()
        error = None if cancelled else work.exception()
        outcome = Outcome(ended_at=self._now(), cancelled=cancelled, error=error)
        if not followed.outcome.cancelled():
            followed.outcome.set_result(outcome)

    def _serve(self) -> None:
        """Load Prefect and mirror until closed; the whole life of the thread."""
        os.environ.setdefault("DO_NOT_TRACK", "1")  # read while Prefect is imported
        try:
            with _without_collections():
                from flows.flow_runs.quiet_prefect import quiet_prefect  # noqa: PLC0415

            with quiet_prefect(self._api_url):
                asyncio.run(self._mirror_until_closed())
        except Exception:
            logger.exception("flow runs are not shown any more; the work goes on")
        finally:
            self._mirror = self._loop = None

    async def _mirror_until_closed(self) -> None:
        with _without_collections():
            from flows.flow_runs.mirror import Mirror  # noqa: PLC0415

        self._loop = asyncio.get_running_loop()
        self._mirror = mirror = Mirror(self._hub, self._reachability)
        await mirror.run()


@contextmanager
def _without_collections() -> Iterator[None]:
    """Keep the garbage collector from what is imported, now and later.

    A collection that looks at all of Prefect stops every thread for 0.1 s.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


def _call_soon(loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> bool:
    """Have the loop of another thread call; False when it has ended."""
    try:
        loop.call_soon_threadsafe(call)
    except RuntimeError:
        return False
    return True
