"""A command in a process group of its own, its output bounded, ended with all it started."""

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from actions.drivers.command_request import PreparedCommand

GRACE_S: Final = 3.0
"""How long a group may take to end after SIGTERM, before SIGKILL."""
LAST_OUTPUT_S: Final = 0.5
"""How long to wait for output after the end: what goes on in the background may keep it open."""

_CHUNK: Final = 65_536
_FREELY: Final = 10_000_000
_LOOK_S: Final = 0.02


class OutputTail:
    """The last bytes of an output."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept = bytearray()
        self.total = 0

    def add(self, chunk: bytes) -> None:
        self.total += len(chunk)
        self._kept += chunk
        del self._kept[: -self._most]

    def text(self, *, blur: int) -> str:
        """Return what is kept; where it was cut, `blur` bytes less, as half a secret is one."""
        cut = blur if self.total > self._most else 0
        return self._kept[cut:].decode("utf-8", "replace")


@asynccontextmanager
async def start(command: PreparedCommand, tail: OutputTail) -> AsyncIterator[Process]:
    """Start the command and collect its output, both streams together.

    The output goes through a pipe of our own, so that the end of the process is seen at once,
    whoever keeps the pipe open.

    Raises:
        OSError, ValueError: it cannot be started.
    """
    reading, writing = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *command.argv,
            stdin=DEVNULL,
            stdout=writing,
            stderr=writing,
            cwd=command.cwd,
            env=command.environment,
            start_new_session=True,
        )
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    collecting = asyncio.create_task(_collect(reading, tail))
    try:
        yield process
        await asyncio.wait({collecting}, timeout=LAST_OUTPUT_S)
    finally:
        collecting.cancel()
        await asyncio.wait({collecting})


async def end(process: Process) -> None:
    """End the group of a process: SIGTERM, and SIGKILL for what is left after the grace."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + GRACE_S
    _signal(process, signal.SIGTERM)
    waiting = asyncio.ensure_future(process.wait())
    try:
        while loop.time() < deadline and _signal(process, 0):
            await asyncio.wait({waiting}, timeout=_LOOK_S)
            if waiting.done():
                await asyncio.sleep(_LOOK_S)
    finally:
        _signal(process, signal.SIGKILL)
        await asyncio.wait({waiting}, timeout=1.0)
        waiting.cancel()


def _signal(process: Process, number: int) -> bool:
    """Send a signal to the group and return whether there is one; 0 only looks."""
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


async def _collect(reading: int, tail: OutputTail) -> None:
    """Read until the end; a flood is read slowly, so that it is the flood that waits."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_CHUNK)
    pipe = os.fdopen(reading, "rb", 0)
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    try:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(_CHUNK):
                tail.add(chunk)
                if tail.total > _FREELY:
                    await asyncio.sleep(_LOOK_S)
    finally:
        transport.close()
