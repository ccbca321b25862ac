"""Hear what other processes commit: one connection that listens, and wakes who waits."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress

import psycopg
from psycopg import sql

logger = logging.getLogger(__name__)


class Bus:
    """Listens on channels and survives a Postgres that goes away.

    A listener is an `asyncio.Event` that is set at every notification, and after every
    reconnection, because what was announced in between was not heard: whoever is woken reads
    the tables, which are the truth.
    """

    def __init__(self, url: str, *channels: str, retry_s: float = 0.5) -> None:
        self._url = url
        self._retry_s = retry_s
        self._listeners: dict[str, set[asyncio.Event]] = {channel: set() for channel in channels}
        self._task: asyncio.Task[None] | None = None

    def listener(self, channel: str) -> asyncio.Event:
        """Return a new event that is set whenever `channel` is notified."""
        event = asyncio.Event()
        self._listeners[channel].add(event)
        return event

    async def __aenter__(self) -> "Bus":
        self._task = asyncio.create_task(self._listen_for_ever(), name="bus")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _listen_for_ever(self) -> None:
        while True:
            try:
                async for channel in self._notifications():
                    self._wake(channel)
            except (psycopg.Error, OSError) as error:
                logger.debug("the bus lost its connection: %s", error)
            await asyncio.sleep(self._retry_s)

    async def _notifications(self) -> AsyncIterator[str]:
        connection = await psycopg.AsyncConnection.connect(
            self._url, autocommit=True, connect_timeout=5, application_name="opslore bus"
        )
        async with connection:
            for channel in self._listeners:
                await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
            for channel in self._listeners:
                self._wake(channel)
            async for notification in connection.notifies():
                yield notification.channel

    def _wake(self, channel: str) -> None:
        for event in self._listeners.get(channel, ()):
            event.set()


async def wait_for(event: asyncio.Event, timeout_s: float) -> bool:
    """Wait until the event is set or the time is over; clear it; return whether it was set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):  # wait_for may swallow a cancellation
            await event.wait()
    was_set = event.is_set()
    event.clear()
    return was_set
