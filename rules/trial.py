"""A try-out of rules in a canary process: what it found, or how it died."""

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from config.errors import Fault

TIMEOUT_S: Final = 20.0
PROGRAM = "rules.canary"
_ROOT: Final = Path(__file__).resolve().parent.parent
_LAST_WORDS: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What came of a try-out; without faults the rules may be put in force."""

    version: str | None
    faults: tuple[Fault, ...]


class Trial:
    """A canary process, from its start to its end. It loads the program while it waits."""

    def __init__(self, *, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._is_read = False
        self._process = subprocess.Popen(
            [sys.executable, "-m", PROGRAM, "-"],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self.end()

    def ask(self, folders: Sequence[Path]) -> None:
        """Let the process try the rules of folders; to be called once."""
        asked = json.dumps([str(folder.absolute()) for folder in folders])
        if self._process.stdin is not None:
            with suppress(OSError):  # it is gone, and its end says why
                self._process.stdin.write(asked + "\n")
                self._process.stdin.flush()

    def finding(self) -> Finding:
        """Return what came of it; a process that crashes or hangs is a fault of the rules.

        Blocks, for 20 seconds at most.
        """
        self._is_read = True
        try:
            told, last_words = self._process.communicate(timeout=self._timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            told, _ = self._process.communicate()
            return _died(told, f"did not come to an end in {self._timeout_s:g} s")
        lines = _lines(told)
        code = self._process.returncode
        if code == 0 and lines and "faults" in lines[-1]:
            faults = tuple(Fault(**fault) for fault in lines[-1]["faults"])
            return Finding(version=lines[-1]["version"], faults=faults)
        return _died(told, f"{_how(code)}{_because(last_words)}")

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def end(self) -> None:
        """Kill the process if it is still there; whoever waits for its finding then gets one."""
        if not self.ended:
            self._process.kill()
            self._process.wait()
        if not self._is_read:
            for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
                if stream is not None:
                    with suppress(OSError):
                        stream.close()


def _died(told: str, how: str) -> Finding:
    tried = [line["trying"] for line in _lines(told) if "trying" in line]
    what = tried[-1] if tried else "its own start"
    problem = f"the process that tried the rules {how}, while it tried {what}"
    return Finding(version=None, faults=(Fault("rules", 0, "rules", problem),))


def _lines(told: str) -> list[dict[str, Any]]:
    """Return the lines that are whole; the last one of a process that died need not be."""
    lines = []
    for line in told.splitlines():
        with suppress(ValueError):
            lines.append(json.loads(line))
    return lines


def _how(code: int) -> str:
    if code < 0:
        with suppress(ValueError):
            return f"was ended by {signal.Signals(-code).name}"
    return f"ended with {code}"


def _because(last_words: str) -> str:
    words = last_words.strip().splitlines()
    return f" ({words[-1][:_LAST_WORDS]})" if words else ""
