"""What a program started, and what of it is left when it has ended."""

import asyncio
import os
import time
from contextlib import suppress
from pathlib import Path

import psutil


class Remains:
    """Processes, ports and sockets of a program that keeps its state in `home`.

    A process belongs to it when it names `home` in its environment or on its command line, or
    descends from one that does. To be noted while it runs, as often as one likes.
    """

    def __init__(self, home: Path, pid: int) -> None:
        self._home = str(home)
        self._root = pid
        self._noted: set[psutil.Process] = set()
        self._ports: set[int] = set()
        self._sockets: set[Path] = set()

    def note(self) -> "Remains":
        with suppress(psutil.NoSuchProcess):
            self._noted.add(psutil.Process(self._root))
        for process in self._noted | self._named():
            with suppress(psutil.NoSuchProcess):
                self._noted |= {process, *process.children(recursive=True)}
        for process in self._noted:
            with suppress(psutil.Error):
                connections = process.net_connections("inet")
                self._ports |= {c.laddr.port for c in connections if c.status == "LISTEN"}
                paths = {str(c.laddr) for c in process.net_connections("unix")}
                self._sockets |= {Path(path) for path in paths if path.startswith("/")}
        return self

    @property
    def processes(self) -> int:
        """How many were noted, the program itself included."""
        return len(self._noted)

    @property
    def ports(self) -> int:
        return len(self._ports)

    @property
    def sockets(self) -> int:
        return len(self._sockets)

    async def vanish(self, within_s: float = 10.0) -> None:
        """Wait until nothing is left.

        Raises:
            AssertionError: something still is after that time; it says what.
        """
        deadline = time.monotonic() + within_s
        while left := self.left():
            assert time.monotonic() < deadline, f"left after {within_s:g} s: {left}"
            await asyncio.sleep(0.2)

    def left(self) -> list[str]:
        """Return what is still there."""
        processes = {*filter(_lives, self._noted), *self._named()}
        return [
            *(f"{process.pid} {command_of(process)}" for process in processes),
            *(f"port {port}" for port in self._ports & self._listened_on()),
            *(f"socket {path}" for path in self._sockets if path.exists()),
        ]

    def _listened_on(self) -> set[int]:
        """Return the ports that somebody listens on, but for those that others took since."""
        noted = {process.pid for process in self._noted}
        with suppress(psutil.AccessDenied):
            listening = (c for c in psutil.net_connections("inet") if c.status == "LISTEN")
            return {c.laddr.port for c in listening if c.laddr and c.pid in {None, *noted}}
        return set()

    def _named(self) -> set[psutil.Process]:
        found = set()
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                told = [process.environ().get("OPSLORE_HOME", ""), *process.cmdline()]
                ours = any(self._home in word for word in told) and process.pid != os.getpid()
                found |= {process} if ours and _lives(process) else set()
        return found


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def command_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return "?"
