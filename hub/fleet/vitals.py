"""The numbers a demo process shows: slow waves and a little noise, bent by its faults."""

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from hub.fleet.faults import Faults

DAY_S = 300.0  # a "day" of the demo: the wave of load is compressed to five minutes
LEAK_STARTS_PERCENT = 50.0
LEAK_PERCENT_PER_S = 3.5  # 85 % after ten seconds, over 90 % after twelve
LEAK_ENDS_PERCENT = 96.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is usual for a project: the middle of its waves."""

    requests_per_s: float
    cpu_percent: float
    memory_percent: float
    error_rate_percent: float
    response_ms: float


class Vitals:
    """The condition of one demo process now. The same seed and clock give the same numbers."""

    def __init__(
        self,
        profile: Profile,
        faults: Faults,
        *,
        seed: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.paused = False
        self._profile = profile
        self._faults = faults
        self._random = random.Random(seed)
        self._clock = clock
        self._started = clock() - self._random.uniform(0, DAY_S)
        self._errors_owed = 0.0

    def wave(self, days: float = 1.0) -> float:
        """Return the load's place in its day, from -1 to 1."""
        return math.sin(2 * math.pi * (self._clock() - self._started) / (DAY_S * days))

    def jitter(self, width: float) -> float:
        """Return noise from -width to width."""
        return self._random.uniform(-width, width)

    def cpu_percent(self) -> float:
        """Return a busy 20 to 45, near idle when paused, near 95 in a spike."""
        if self.paused:
            return 3 + self.jitter(1)
        if self._faults.elapsed_s("spike") is not None:
            return 95 + self.jitter(3)
        return self._profile.cpu_percent + 6 * self.wave() + self.jitter(1)

    def memory_percent(self) -> float:
        """Return 35 to 55, or a straight line from 50 to 96 in a leak."""
        leaking_s = self._faults.elapsed_s("leak")
        if leaking_s is not None:
            climbed = LEAK_STARTS_PERCENT + LEAK_PERCENT_PER_S * leaking_s
            return min(climbed, LEAK_ENDS_PERCENT) + self.jitter(0.2)
        return self._profile.memory_percent + 3 * self.wave(1.7) + self.jitter(0.3)

    def error_rate_percent(self) -> float:
        """Return the share of requests that fail now."""
        if self._faults.elapsed_s("errors") is not None:
            return 18 + self.jitter(4)
        return self._profile.error_rate_percent + 0.25 * self.wave(0.8) + self.jitter(0.1)

    def response_ms(self) -> float:
        """Return how long a request takes now."""
        if self._faults.elapsed_s("slow") is not None:
            return 2750 + self.jitter(250)
        usual = self._profile.response_ms * (1 + 0.2 * self.wave() + self.jitter(0.1))
        starved_s = self._faults.elapsed_s("tangled")
        return usual if starved_s is None else usual + min(900 * starved_s, 2900)

    def delay_s(self) -> float:
        """Return how long to hold back every answer: not at all, unless the fault is `slow`."""
        return 0.0 if self._faults.elapsed_s("slow") is None else 2.75 + self.jitter(0.25)

    def requests(self, seconds: float) -> int:
        """Return how many requests came in the last `seconds`."""
        if self.paused:
            return 0
        expected = self._profile.requests_per_s * seconds * (1 + 0.3 * self.wave())
        return max(round(expected + self.jitter(expected * 0.1)), 1)

    def errors_among(self, requests: int, error_rate_percent: float) -> int:
        """Return how many of `requests` failed; what is rounded off is carried over."""
        self._errors_owed += requests * error_rate_percent / 100
        errors = min(int(self._errors_owed), requests)
        self._errors_owed -= errors
        return errors
