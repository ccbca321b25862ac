"""Time that neither jumps nor runs backwards, on the scale of the wall clock."""

import time
from datetime import UTC, datetime


class Clock:
    """Epoch seconds that go on evenly when the machine's clock is set."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        return time.monotonic() + self._offset


def instant(epoch_s: float) -> datetime:
    """Return the UTC instant of epoch seconds."""
    return datetime.fromtimestamp(epoch_s, UTC)
