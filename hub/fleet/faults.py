"""What is wrong with one demo process at the moment, and the effects that are real."""

import os
import signal
import threading
import time
from collections.abc import Callable

from hub.fleet.members import FaultKind

LEAK_STEP_BYTES = 2_000_000
LEAK_STEP_S = 0.5
LEAK_LIMIT_BYTES = 80_000_000
BURN_S, REST_S = 0.012, 0.088  # about 12 % of a core


class Faults:
    """The active faults of this process, each with its start and perhaps its end.

    A leak really holds memory, a spike really burns about 12 % of a core in a thread, a crash
    really kills the process. The other kinds only show in what `Vitals` makes of them.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._spans: dict[FaultKind, tuple[float, float | None]] = {}
        self._hoard: list[bytes] = []
        self._calm = threading.Event()

    def inject(self, kind: FaultKind, seconds: float | None = None) -> None:
        """Start a fault, for `seconds` or until it is cleared; a crash does not return."""
        if kind == "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        now = self._clock()
        already = self._spans.get(kind)
        self._spans[kind] = (
            already[0] if already else now,
            None if seconds is None else now + seconds,
        )
        if kind == "spike" and not already:
            self._calm = threading.Event()
            threading.Thread(target=_burn, args=(self._calm,), daemon=True).start()

    def clear(self, *kinds: FaultKind) -> None:
        """End the named faults, or all."""
        for kind in kinds or tuple(self._spans):
            self._spans.pop(kind, None)
        self.step()

    def active(self) -> tuple[FaultKind, ...]:
        """Return what is wrong now, oldest first."""
        self.step()
        return tuple(self._spans)

    def elapsed_s(self, kind: FaultKind) -> float | None:
        """Return for how long the fault has lasted, None when it is not active."""
        span = self._spans.get(kind)
        return None if span is None else self._clock() - span[0]

    def step(self) -> None:
        """End what is over and let the hoard of a leak grow; to be called a few times a second."""
        now = self._clock()
        for kind, (_, ends_at) in tuple(self._spans.items()):
            if ends_at is not None and now >= ends_at:
                del self._spans[kind]
        leaking_s = self.elapsed_s("leak")
        if leaking_s is None:
            self._hoard.clear()
        else:
            wanted = min(int(leaking_s / LEAK_STEP_S) + 1, LEAK_LIMIT_BYTES // LEAK_STEP_BYTES)
            while len(self._hoard) < wanted:
                self._hoard.append(b"\x01" * LEAK_STEP_BYTES)
        if "spike" not in self._spans:
            self._calm.set()

    @property
    def hoarded_bytes(self) -> int:
        """How much memory a leak holds."""
        return sum(map(len, self._hoard))


def _burn(calm: threading.Event) -> None:
    while not calm.wait(REST_S):
        until = time.perf_counter() + BURN_S
        while time.perf_counter() < until:
            pass
