"""Whether Prefect's API answers: one cheap question every few seconds, not one per run."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime

import httpx

logger = logging.getLogger(__name__)

PATIENCE_S = 2.0


class Reachability:
    """What is known of the API; the fields may be read from any thread."""

    def __init__(self, api_url: str, *, every_s: float, now: Callable[[], datetime]) -> None:
        self.reachable = False
        self.unreachable_since: datetime | None = None
        self.latency_ms: float | None = None
        self._url = f"{api_url}/ready"
        self._every_s = every_s
        self._now = now
        self._doubted = asyncio.Event()

    def doubt(self) -> None:
        """Have the API asked at once; something was not answered as it should be."""
        self._doubted.set()

    async def watch(self, on_return: Callable[[datetime], Awaitable[None]]) -> None:
        """Ask until cancelled.

        When the API answers after it did not, `on_return` is told since when and is awaited
        before the API counts as reachable; whether that succeeds makes no difference.
        """
        self.unreachable_since = self._now()
        async with httpx.AsyncClient(timeout=PATIENCE_S) as client:
            while True:
                await self._look(client, on_return)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._doubted.wait(), self._every_s)
                self._doubted.clear()

    async def _look(
        self, client: httpx.AsyncClient, on_return: Callable[[datetime], Awaitable[None]]
    ) -> None:
        self.latency_ms = await self._ask(client)
        if self.latency_ms is None:
            self.reachable = False
            self.unreachable_since = self.unreachable_since or self._now()
        elif self.unreachable_since is not None:
            try:
                await on_return(self.unreachable_since)
            except Exception as error:  # the boundary: what is done on return may fail
                logger.info("Prefect's API is back, but: %s", error)
            self.reachable, self.unreachable_since = True, None

    async def _ask(self, client: httpx.AsyncClient) -> float | None:
        """Return how long the answer took; None when there was none or it was a 5xx."""
        asked_at = time.perf_counter()
        try:
            answer = await client.get(self._url)
        except httpx.HTTPError:
            return None
        return None if answer.is_server_error else (time.perf_counter() - asked_at) * 1_000
