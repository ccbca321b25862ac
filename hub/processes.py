"""Processes that the supervisor starts, keeps running and ends."""

import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol

logger = logging.getLogger(__name__)

ROTATE_AT_BYTES = 10_000_000
BACKOFF_FIRST_S = 0.5
BACKOFF_LONGEST_S = 30.0
HEALTHY_AFTER_S = 60.0
_LOOK_EVERY_S = 0.05


class Watcher(Protocol):
    """Who must know which process groups live."""

    def started(self, group: int) -> None: ...
    def ended(self, group: int) -> None: ...


class Child:
    """One process with its own session, process group and log file.

    With `restart` it is started again when it ends by itself: after 0.5 s, doubling to 30 s, and
    from 0.5 s again once it lived a minute. `on_exit` gets the exit code of every end that
    nobody asked for, negative for a signal. What it started and left behind ends with it.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        log_file: Path,
        env: Mapping[str, str] | None = None,
        reaper: Watcher | None = None,
        restart: bool = False,
        on_exit: Callable[[int], None] | None = None,
    ) -> None:
        self.name = name
        self.argv = tuple(argv)
        self.log_file = log_file
        self.restarts = 0
        self._env = dict(os.environ if env is None else env)
        self._reaper = reaper
        self._restart = restart
        self._on_exit = on_exit
        self._process: asyncio.subprocess.Process | None = None
        self._watching: asyncio.Task[None] | None = None
        self._log_starts_at = 0

    @property
    def pid(self) -> int | None:
        """The running process, None between two lives and after the last."""
        process = self._process
        return process.pid if process and process.returncode is None else None

    @property
    def over(self) -> bool:
        """Whether it does not run and will not be started again."""
        return self._watching is None or self._watching.done()

    async def start(self) -> None:
        """Start it and watch over it.

        Raises:
            OSError: the program cannot be started at all.
        """
        if not self.over:
            return
        process = await self._spawn()
        self._watching = asyncio.create_task(self._watch(process), name=f"watch {self.name}")

    async def stop(self, grace_s: float = 5.0) -> None:
        """End it and everything it started: SIGTERM, and after `grace_s` SIGKILL."""
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
        process, self._process = self._process, None
        if process is None:
            return
        _signal_group(process.pid, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), grace_s)
        except TimeoutError:
            logger.warning("%s did not stop within %g s and is killed", self.name, grace_s)
        finally:
            await self._bury(process)

    async def first_line(self, timeout_s: float) -> str:
        """Return the first line it has written since it was started, "" if none comes in time."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            line = self._read_line()
            if line.endswith("\n") or self.over:
                return line.rstrip("\n")
            await asyncio.sleep(_LOOK_EVERY_S)
        return ""

    def last_lines(self, count: int = 10) -> str:
        """Return the end of what it has written, in this life and the ones before."""
        with suppress(OSError), self.log_file.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 8_192))
            return "\n".join(log.read().decode(errors="replace").splitlines()[-count:])
        return ""

    def _read_line(self) -> str:
        with self.log_file.open("rb") as log:
            log.seek(self._log_starts_at)
            return log.readline().decode(errors="replace")

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        delay_s = BACKOFF_FIRST_S
        born_at = time.monotonic()
        while True:
            code = await process.wait()
            await self._bury(process)
            self._process = None
            if self._on_exit is not None:
                self._on_exit(code)
            if not self._restart:
                return
            if time.monotonic() - born_at >= HEALTHY_AFTER_S:
                delay_s = BACKOFF_FIRST_S
            what = f"{self.name} ended with {code} and starts again in {delay_s:g} s"
            logger.warning("%s; see %s", what, self.log_file)
            process, delay_s = await self._respawn(delay_s)
            born_at = time.monotonic()

    async def _respawn(self, delay_s: float) -> tuple[asyncio.subprocess.Process, float]:
        while True:
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, BACKOFF_LONGEST_S)
            self.restarts += 1
            try:
                return await self._spawn(), delay_s
            except OSError as error:
                logger.error("%s does not start: %s", self.name, error)

    async def _spawn(self) -> asyncio.subprocess.Process:
        with self._open_log() as log:
            self._log_starts_at = log.tell()
            process = await asyncio.create_subprocess_exec(
                *self.argv,
                env=self._env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        self._process = process
        if self._reaper is not None:
            self._reaper.started(process.pid)
        return process

    def _open_log(self) -> IO[bytes]:
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            if self.log_file.stat().st_size > ROTATE_AT_BYTES:
                self.log_file.replace(self.log_file.with_suffix(self.log_file.suffix + ".1"))
        return self.log_file.open("ab")

    async def _bury(self, process: asyncio.subprocess.Process) -> None:
        """Kill what is left of the group, and tell the reaper that it is gone."""
        _signal_group(process.pid, signal.SIGKILL)
        await process.wait()
        if self._reaper is not None:
            self._reaper.ended(process.pid)


def _signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
