"""What would have been done to the fleet so far: the limits are judged by it."""

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from actions.safety.backoff import next_attempt_at
from actions.safety.blast_radius import room
from actions.safety.breaker import Finished, breaker_state
from actions.safety.rate_limit import free_at
from config.healing import HealingSettings, RetrySettings
from rules.backtest.course import Try
from rules.policy import Hold
from rules.projection import ActionView

_A_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The first thing in the way of an action, and when it should be gone, None when never."""

    by: Hold
    until: datetime | None = None


class Ledger:
    """Acts in the order of their beginning, each visible from then on.

    The figures are those of the hub's own limits: `actions.safety` is asked, nothing is
    calculated anew.
    """

    def __init__(self, settings: HealingSettings, fleet_size: int) -> None:
        self._settings = settings
        self._fleet_size = fleet_size
        self._begun: dict[str, list[datetime]] = defaultdict(list)
        self._finished: dict[tuple[str, str], list[Finished]] = defaultdict(list)
        self._helped_at: dict[tuple[str, str], datetime] = {}
        self._under_way: dict[str, dict[tuple[int | None, str], datetime]] = defaultdict(dict)
        self._healed: deque[tuple[datetime, str]] = deque()
        self._views: list[ActionView] = []
        self._views_of: dict[str, list[ActionView]] = defaultdict(list)

    def begin(
        self,
        project: str,
        action: str,
        at: datetime,
        *,
        incident_id: int | None,
        until: datetime,
        heals: bool,
    ) -> None:
        """Note an act that begins; `heals` when it is a rule's, and not a person's."""
        self._begun[project].append(at)
        self._under_way[project][incident_id, action] = until
        if heals:
            self._healed.append((at, project))

    def finish(
        self, project: str, action: str, at: datetime, *, succeeded: bool, heals: bool
    ) -> None:
        """Note that an act came to its end."""
        if not heals:
            return
        ended = Finished(project=project, action=action, at=at, succeeded=succeeded)
        self._finished[project, action].append(ended)
        if succeeded:
            self._helped_at[project, action] = at

    def show(self, view: ActionView) -> None:
        """Keep an act as the rules see it from now on."""
        self._views.append(view)
        self._views_of[view.project].append(view)

    def views(self, project: str | None, since: datetime) -> list[ActionView]:
        """Return the acts since an instant on a project, or on all, in the states they came to."""
        views = self._views if project is None else self._views_of.get(project, [])
        return views[bisect_left(views, since, key=lambda view: view.at) :]

    def in_the_way(
        self,
        project: str,
        action: str,
        now: datetime,
        *,
        incident_id: int,
        cooldown: timedelta | None,
    ) -> Held:
        """Return what holds an action: breaker, limits, cooldown, another act, in this order."""
        settings = self._settings
        if breaker := self._breaker(project, action, now):
            return breaker
        if until := free_at(self._recent(project, now), settings.rate_limit, now):
            return Held(by="rate_limited", until=until)
        if held := self._blast(project, now):
            return held
        helped_at = self._helped_at.get((project, action))
        rest = settings.cooldown if cooldown is None else cooldown
        if helped_at is not None and helped_at + rest > now:
            return Held(by="cooling_down", until=helped_at + rest)
        return self._busy(project, action, now, incident_id)

    def _breaker(self, project: str, action: str, now: datetime) -> Held | None:
        finished = self._finished.get((project, action))
        if not finished:
            return None
        settings = self._settings
        reach = settings.breaker.within + settings.breaker.cooldown + _A_DAY
        first = bisect_left(finished, now - reach, key=lambda one: one.at)
        breaker = breaker_state(finished[first:], settings.breaker, now)
        return Held(by="breaker_open", until=breaker.until) if breaker.state == "open" else None

    def _recent(self, project: str, now: datetime) -> Sequence[datetime]:
        begun = self._begun.get(project, [])
        return begun[bisect_left(begun, now - self._settings.rate_limit.within) :]

    def _blast(self, project: str, now: datetime) -> Held | None:
        settings = self._settings.blast_radius
        while self._healed and self._healed[0][0] <= now - settings.within:
            self._healed.popleft()
        others = {name for _, name in self._healed if name != project}
        if room(others, self._fleet_size, settings):
            return None
        first = next(at for at, name in self._healed if name != project)
        return Held(by="blast_radius", until=first + settings.within)

    def _busy(self, project: str, action: str, now: datetime, incident_id: int) -> Held:
        """Return whether the same was begun in another incident and is not known to help yet.

        That another action is being carried out holds for seconds only, and is left out.
        """
        under_way = self._under_way[project]
        over = [begun for begun, until in under_way.items() if until <= now]
        for begun in over:
            del under_way[begun]
        for (other, name), until in under_way.items():
            if name == action and other != incident_id:
                return Held(by="busy", until=until)
        return Held(by="none")


def backing_off_until(retry: RetrySettings, failed: Sequence[Try]) -> datetime | None:
    """Return when the next attempt is due, None where none failed or none is left."""
    if not failed:
        return None
    return next_attempt_at(retry, len(failed), max(one.finished_at for one in failed))
