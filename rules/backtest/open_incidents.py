"""Which incidents were open at a moment, for moments in order."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from heapq import heappop, heappush

from data.past import PastIncident


class OpenIncidents:
    """A sweep over incidents by their opening: what ended is forgotten, what began is added.

    Moments must not go back, which is what makes it cheap.
    """

    def __init__(self, incidents: Sequence[PastIncident]) -> None:
        self._incidents = incidents
        self._place = 0
        self._ends: list[tuple[datetime, int, PastIncident]] = []
        self._open: dict[int, PastIncident] = {}
        self._by_kind: dict[tuple[str, str], PastIncident] = {}

    def at(self, now: datetime) -> Collection[PastIncident]:
        """Return what was open then, in the order of opening."""
        self._advance(now)
        return self._open.values()

    def of(self, project: str, kind: str, now: datetime) -> PastIncident | None:
        """Return the incident of a kind that a project had then."""
        self._advance(now)
        return self._by_kind.get((project, kind))

    def _advance(self, now: datetime) -> None:
        for incident in self._begun(now):
            self._open[incident.id] = incident
            self._by_kind[incident.project, incident.kind] = incident
            if incident.resolved_at is not None:
                heappush(self._ends, (incident.resolved_at, incident.id, incident))
        while self._ends and self._ends[0][0] <= now:
            _, number, ended = heappop(self._ends)
            del self._open[number]
            if self._by_kind.get((ended.project, ended.kind)) is ended:
                del self._by_kind[ended.project, ended.kind]

    def _begun(self, now: datetime) -> Iterator[PastIncident]:
        incidents = self._incidents
        while self._place < len(incidents) and incidents[self._place].opened_at <= now:
            yield incidents[self._place]
            self._place += 1


def was_open(incident: PastIncident, now: datetime) -> bool:
    """Return whether an incident that had opened by then was still open."""
    return incident.resolved_at is None or incident.resolved_at > now
