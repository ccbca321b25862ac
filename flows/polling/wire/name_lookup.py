"""Names to addresses, without one slow name server holding up everyone.

uvloop looks up two names at a time, asyncio shares six threads with all other blocking work: a
few names whose server does not answer would stop every probe that needs a new connection.
"""

import asyncio
import socket
import threading
from contextlib import suppress
from typing import Any, Final
from weakref import WeakKeyDictionary

# Family and socket address, as for socket.connect.
Address = tuple[int, Any]

_AT_ONCE: Final = 32
_REMEMBERED_S: Final = 30.0
_MOST_ADDRESSES: Final = 8
_MOST_REMEMBERED: Final = 10_000
_NEVER: Final[tuple[float, list[Address]]] = float("-inf"), []


class NameLookup:
    """The look-ups of one event loop: up to 32 at once, one per name, remembered for 30 s.

    Each runs in a thread of its own that nothing waits for, not even the end of the process.
    Failures are not remembered.
    """

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._running: dict[tuple[str, int], asyncio.Task[list[Address]]] = {}
        self._known: dict[tuple[str, int], tuple[float, list[Address]]] = {}

    def remembered(self, host: str, port: int, *, since: float | None = None) -> list[Address]:
        """Return what was found not before `since`, loop time (else: in the last 30 s).

        A literal address is known without asking.
        """
        key = host, port
        if key not in self._known and (literal := _literal(host, port)):
            self._remember(key, float("inf"), literal)
        if since is None:
            since = asyncio.get_running_loop().time() - _REMEMBERED_S
        found_at, addresses = self._known.get(key, _NEVER)
        return addresses if found_at >= since else []

    async def ask(self, host: str, port: int) -> list[Address]:
        """Return the addresses in the order in which they are to be tried.

        Raises:
            OSError, UnicodeError: the name does not resolve, or cannot be a name.
        """
        key = host, port
        task = self._running.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._look_up(key))
            self._running[key] = task
            task.add_done_callback(_retrieve)
        # Whoever gives up leaves the look-up to the others.
        return await asyncio.shield(task)

    async def _look_up(self, key: tuple[str, int]) -> list[Address]:
        loop = asyncio.get_running_loop()
        try:
            async with self._slots:
                addresses = await _in_own_thread(*key)
        finally:
            del self._running[key]
        self._remember(key, loop.time(), addresses)
        return addresses

    def _remember(self, key: tuple[str, int], found_at: float, addresses: list[Address]) -> None:
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        self._known[key] = found_at, addresses


def of_this_loop() -> NameLookup:
    """Return the running loop's look-ups."""
    return _of_loops.setdefault(asyncio.get_running_loop(), NameLookup())


_of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, NameLookup] = WeakKeyDictionary()


def _literal(host: str, port: int) -> list[Address]:
    with suppress(OSError, UnicodeError):
        return _addresses(host, port, socket.AI_NUMERICHOST)
    return []


def _addresses(host: str, port: int, flags: int = 0) -> list[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return [(family, address) for family, _, _, _, address in found[:_MOST_ADDRESSES]]


async def _in_own_thread(host: str, port: int) -> list[Address]:
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[list[Address]] = loop.create_future()

    def answer(addresses: list[Address] | None, error: Exception | None) -> None:
        if waiter.done():
            return
        if error is not None:
            waiter.set_exception(error)
        else:
            waiter.set_result(addresses or [])

    def run() -> None:
        addresses, failure = None, None
        try:
            addresses = _addresses(host, port)
        except (OSError, UnicodeError) as error:
            failure = error
        with suppress(RuntimeError):  # the loop is closed, and nobody waits any more
            loop.call_soon_threadsafe(answer, addresses, failure)

    threading.Thread(target=run, name=f"look up {host}", daemon=True).start()
    return await waiter


def _retrieve(task: asyncio.Task[list[Address]]) -> None:
    """Take note of a failure that nobody may be left to hear of."""
    if not task.cancelled():
        task.exception()
