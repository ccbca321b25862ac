"""Hand things from one agent to another without either waiting for the other."""

import asyncio
from collections import deque
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class Feed(Generic[T]):
    """A bounded mailbox: what is put is taken in order, the oldest is dropped when it is full.

    What a consumer could not handle it puts back, so a consumer that fails loses nothing.
    """

    def __init__(self, limit: int = 100_000) -> None:
        self._items: deque[T] = deque(maxlen=limit)
        self._filled = asyncio.Event()
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T) -> None:
        self.dropped += len(self._items) == self._items.maxlen
        self._items.append(item)
        self._filled.set()

    def put_back(self, items: list[T]) -> None:
        """Return items to the front, oldest first, as far as there is room."""
        room = (self._items.maxlen or 0) - len(self._items)
        self.dropped += max(0, len(items) - room)
        self._items.extendleft(reversed(items[-room:] if room else []))
        self._filled.set()

    async def take(self, timeout_s: float) -> list[T]:
        """Wait for something and return all there is; empty when the time is over."""
        if not self._items:
            with suppress(TimeoutError):
                async with asyncio.timeout(max(timeout_s, 0)):
                    await self._filled.wait()
        items = list(self._items)
        self._items.clear()
        self._filled.clear()
        return items
