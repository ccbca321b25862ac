"""The idle connection tells: its loss is the first sign that the peer died."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import httpx

# Below 1 s, the shortest time after which servers close idle connections.
_SHORT_LIVED_S: Final = 0.8
_EVERY_S: Final = 1.0


class Sentinel:
    """Finds out what the loss of an idle connection means.

    1. While another connection is idle, nothing: that one is the sentinel now.
    2. A connection that was opened here and lost at once, unused, tells of a dead peer (a proxy
       accepts, and finds nobody behind it): `tell` is called.
    3. Otherwise a new connection is opened. Where that works, the peer has merely closed an
       idle connection, as many do; where it fails, `tell` is called.

    Opens at most one connection a second and calls `tell` at most once a second; what comes
    sooner is put off, not dropped. `clock` is in seconds and need not be the loop's.
    """

    def __init__(
        self,
        *,
        reopen: Callable[[], Awaitable[None]],
        is_watching: Callable[[], bool],
        tell: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self._reopen = reopen
        self._is_watching = is_watching
        self._tell = tell
        self._clock = clock
        self._reopened_at = float("-inf")
        self._told_at = float("-inf")
        self._put_off: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def idle_lost(self, *, used: bool, lived_s: float) -> None:
        """Act on the loss of an idle connection."""
        if self._is_watching() or self._is_at_it():
            return
        if not used and lived_s < _SHORT_LIVED_S:
            self._at(self._told_at + _EVERY_S, self._tell_now)
        else:
            self._at(self._reopened_at + _EVERY_S, self._reopen_now)

    def close(self) -> None:
        if self._put_off is not None:
            self._put_off.cancel()
        if self._task is not None:
            self._task.cancel()

    def _is_at_it(self) -> bool:
        return self._put_off is not None or self._task is not None

    def _at(self, when: float, act: Callable[[], None]) -> None:
        wait_s = when - self._clock()
        if wait_s <= 0:
            act()
        else:
            loop = asyncio.get_running_loop()
            self._put_off = loop.call_later(wait_s, self._act_if_needed, act)

    def _act_if_needed(self, act: Callable[[], None]) -> None:
        self._put_off = None
        if not self._is_watching():
            act()

    def _reopen_now(self) -> None:
        self._reopened_at = self._clock()
        self._task = asyncio.get_running_loop().create_task(self._try_to_reopen())

    async def _try_to_reopen(self) -> None:
        try:
            await self._reopen()
        except httpx.RequestError:
            reached = False
        else:
            reached = True
        finally:
            self._task = None
        if not reached and not self._is_watching():
            self._at(self._told_at + _EVERY_S, self._tell_now)

    def _tell_now(self) -> None:
        self._told_at = self._clock()
        self._tell()
