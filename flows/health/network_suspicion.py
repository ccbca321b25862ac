"""When most of the fleet fails at once, the likelier culprit is the hub's own network."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from data.records import HealthSample

Change = Literal["suspected", "dispelled", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the newest probes mean for the hub's own network."""

    change: Change
    probed: int
    failing: frozenset[str]
    since: datetime | None


class NetworkSuspicion:
    """Counts the projects that give no answer at all; an HTTP error is an answer.

    Suspected when at least `minimum` projects and the share `ratio` of those probed give none,
    and that many of the failures began within `within` of each other. Dispelled when more than
    the rest of those watched answer.
    """

    def __init__(self, *, ratio: float, minimum: int, within: timedelta) -> None:
        self._ratio = ratio
        self._minimum = minimum
        self._within = within
        self._failing: dict[str, datetime] = {}
        self._answering: set[str] = set()
        self.suspected = False

    def note(self, sample: HealthSample) -> None:
        """Take in one probe."""
        if sample.status == "down" and sample.http_status is None:
            self._failing.setdefault(sample.project, sample.recorded_at)
            self._answering.discard(sample.project)
        else:
            self._failing.pop(sample.project, None)
            self._answering.add(sample.project)

    def forget(self, keep: frozenset[str]) -> None:
        """Drop the projects that this hub no longer probes."""
        self._failing = {name: at for name, at in self._failing.items() if name in keep}
        self._answering &= keep

    def decide(self, watched: int) -> Outcome:
        """Say whether the suspicion changed with the probes noted since the last call.

        `watched` counts the projects of this hub, those not probed yet included, so that a hub
        that has just started dispels nothing before most have answered.
        """
        failing, answering = len(self._failing), len(self._answering)
        enough = max(self._minimum, self._ratio * (failing + answering))
        change: Change = "none"
        if self.suspected:
            if answering > (1 - self._ratio) * watched:
                self.suspected, change = False, "dispelled"
        elif failing >= enough and self._largest_burst() >= enough:
            self.suspected, change = True, "suspected"
        return Outcome(
            change=change,
            probed=failing + answering,
            failing=frozenset(self._failing),
            since=min(self._failing.values(), default=None),
        )

    def _largest_burst(self) -> int:
        """The most failures that began within one stretch of `within`."""
        starts = sorted(self._failing.values())
        largest, first = 0, 0
        for last, at in enumerate(starts):
            while at - starts[first] > self._within:
                first += 1
            largest = max(largest, last - first + 1)
        return largest
