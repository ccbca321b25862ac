"""The supervisor's side of the reaper, which ends what a dead supervisor left behind."""

import asyncio
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

_PROGRAM = Path(__file__).with_name("reaper_process.py")
_DISMISSAL_S = 5.0


class Reaper:
    """A process of its own that is told what must not outlive this one.

    If this process ends without `dismiss`, however it ends, the reaper ends the process groups
    it was told of, stops the Postgres servers and removes the folders. A reaper that died is
    replaced at the next word to it, and told everything anew.
    """

    def __init__(self, log_file: Path | None = None) -> None:
        self._log_file = log_file
        self._process: subprocess.Popen[bytes] | None = None
        self._said: dict[str, None] = {}

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.dismiss)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process, in a session of its own."""
        with self._open_log() as log:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_PROGRAM)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=log,
                bufsize=0,
                start_new_session=True,
            )
        self._write(*self._said)

    def started(self, group: int) -> None:
        """Have the process group ended if this process dies."""
        self._say(f"+{group}")

    def ended(self, group: int) -> None:
        self._said.pop(f"+{group}", None)
        self._write_or_restart(f"-{group}")

    def stop_postgres(self, folder: Path) -> None:
        """Have the server of the cluster in `folder` stopped if this process dies."""
        self._say(f"pg {folder.absolute()}")

    def remove(self, folder: Path) -> None:
        """Have the folder removed if this process dies."""
        self._say(f"rm {folder.absolute()}")

    def dismiss(self) -> None:
        """Send the reaper away; it leaves everything alone."""
        if self._process is None:
            return
        with suppress(OSError):
            self._write("bye")
        try:
            self._process.communicate(timeout=_DISMISSAL_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        self._said.clear()

    def _say(self, line: str) -> None:
        self._said[line] = None
        self._write_or_restart(line)

    def _write_or_restart(self, line: str) -> None:
        if self._process is None:
            return
        try:
            self._write(line)
        except OSError:
            self._process.communicate()
            self.start()

    def _write(self, *lines: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write("".join(f"{line}\n" for line in lines).encode())

    def _open_log(self) -> IO[bytes]:
        path = self._log_file or Path(os.devnull)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("ab")
