"""Start our programs as a user would, look at what they recorded, and kill them hard."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parent.parent
T = TypeVar("T")


@dataclass(kw_only=True)
class Program:
    """An `opslore …` process in a group of its own, its output in a file."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    process: asyncio.subprocess.Process | None = field(default=None)

    async def start(self) -> "Program":
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "hub.main",
                *self.arguments,
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=ROOT,
            )
        return self

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    async def kill(self) -> None:
        """Kill without warning, as the machine would when it is out of memory."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """Ask to end and return the exit code."""
        return await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> int:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 20)


async def eventually(
    look: Callable[[], Awaitable[T]], *, within_s: float = 15.0, every_s: float = 0.05
) -> T:
    """Look until there is something to see, and return it.

    Raises:
        AssertionError: there was nothing within the time.
    """
    deadline = asyncio.get_running_loop().time() + within_s
    while True:
        seen = await look()
        if seen:
            return seen
        assert asyncio.get_running_loop().time() < deadline, f"nothing seen within {within_s} s"
        await asyncio.sleep(every_s)
