"""What was, at any moment of a recorded stretch of time, as the rules could see it then."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache

from config.maintenance import current_window
from data.past import Past, PastAnomaly, PastIncident, Stretch
from data.states import DEGRADED, DOWN
from rules.backtest.neighbours import may_be_of, may_join, wants_open
from rules.backtest.open_incidents import OpenIncidents, was_open
from rules.backtest.reach import Reach, reach_of
from rules.backtest.views import (
    anomaly_then,
    incident_view,
    project_views,
    severity_then,
    silence_view,
)
from rules.facts import Fact
from rules.projection import (
    ActionView,
    DeployView,
    IncidentView,
    ProjectView,
    Surroundings,
    covers,
    facts_of,
)
from rules.rule import Join, RuleBook

_A_MINUTE = timedelta(minutes=1)


class World:
    """The recorded past, sorted so that a moment is found by bisection.

    Specifications are the newest: what a project declared or depended on before is not on
    record. A project's status then follows from its incidents, its version from its deploys.
    Moments must be asked for in order.
    """

    def __init__(self, past: Past, book: RuleBook) -> None:
        self.past = past
        self.specs = {one.name: one.spec for one in past.projects if one.spec is not None}
        self._with_windows = {name for name, spec in self.specs.items() if spec.maintenance}
        self.fleet_size = sum(project.watched for project in past.projects)
        self.projects = project_views(past)
        self.reach = cache(lambda kind: reach_of(book, kind))
        self._starts = [one.opened_at for one in past.incidents]
        self._open = OpenIncidents(past.incidents)
        self._joining: dict[tuple[int, str, str, str, str], bool] = {}
        self._of_project: dict[str, list[PastIncident]] = defaultdict(list)
        self._starts_of: dict[str, list[datetime]] = defaultdict(list)
        self._kinds: dict[tuple[int, str], bool] = {}
        for incident in past.incidents:
            self._of_project[incident.project].append(incident)
            self._starts_of[incident.project].append(incident.opened_at)
        self._anomalies: dict[int, list[PastAnomaly]] = defaultdict(list)
        for anomaly in past.anomalies:
            self._anomalies[anomaly.incident_id].append(anomaly)
        self._deploys: dict[str, list[DeployView]] = defaultdict(list)
        self._all_deploys = [
            DeployView(
                project=one.project, at=one.at, from_version=one.from_version, version=one.version
            )
            for one in past.deploys
        ]
        for deploy in self._all_deploys:
            self._deploys[deploy.project].append(deploy)
        self._silences = [silence_view(one) for one in past.silences]
        self._views: dict[int, IncidentView] = {}
        self._then: dict[tuple[str, str, str | None], ProjectView] = {}

    def incident(self, incident: PastIncident, now: datetime) -> IncidentView:
        """Return an incident with the gravest of the anomalies it had then."""
        view = self._views.get(incident.id)
        if view is None:
            anomalies = self._anomalies.get(incident.id, ())
            severity = severity_then(incident, anomalies, now)
            view = incident_view(incident, anomaly_then(anomalies, now), severity)
            if len(anomalies) <= 1:  # it looked the same all the time
                self._views[incident.id] = view
        return view

    def project(self, incident: PastIncident, now: datetime) -> ProjectView:
        """Return the project of an incident as it was then; its status where a rule asks for it."""
        asked_for = "status" in self.reach(incident.kind).fields
        status = self._status(incident.project, now) if asked_for else "unknown"
        key = incident.project, status, self._version(incident, now)
        view = self._then.get(key)
        if view is None:
            view = replace(self.projects[incident.project], status=key[1], version=key[2])
            self._then[key] = view
        metrics = self.past.scrapes.get(incident.id)
        return replace(view, metrics=metrics) if metrics else view

    def facts(
        self, incident: PastIncident, now: datetime, actions: Sequence[ActionView]
    ) -> list[Fact]:
        """Return what was beside an incident then, as far as any rule for its kind looks."""
        reach = self.reach(incident.kind)
        if not reach.within:
            return []
        around = Surroundings(
            projects=self.projects,
            incidents=[self.incident(one, now) for one in self._beside(incident, now, reach)],
            deploys=self._deployed(incident, now, reach),
            actions=actions if "action" in reach.within else (),
            silences=self._silences if "silence" in reach.within else (),
            maintenance=self._maintenance(incident, now) if "maintenance" in reach.within else {},
        )
        lists = (around.incidents, around.deploys, around.actions, around.silences)
        if not any(lists) and not around.maintenance:  # which is so of most incidents
            return []
        return facts_of(self.incident(incident, now), around, now)

    def next_change(self, incident: PastIncident, now: datetime) -> datetime | None:
        """Return when the rules may next find something else, None when never again."""
        reach = self.reach(incident.kind)
        moments = (
            *self._own_changes(incident, now, reach),
            *self._silence_changes(incident, reach),
            self._next_arrival(incident, now, reach),
        )
        return min((at for at in moments if at is not None and at > now), default=None)

    def is_open(self, project: str, kind: str, now: datetime) -> PastIncident | None:
        """Return the incident of a kind that a project had then, None when it had none."""
        return self._open.of(project, kind, now)

    def open_in(self, projects: Collection[str], now: datetime) -> Iterator[PastIncident]:
        """Yield the incidents that some projects had then."""
        return (one for one in self._open.at(now) if one.project in projects)

    def braked(self, now: datetime) -> Stretch | None:
        """Return the stretch of time in which the brake was pulled then, None when it was not."""
        return _covering(self.past.brake, now)

    def network_suspected(self, now: datetime) -> Stretch | None:
        """Return the outage of a hub's own network there was then, None when there was none."""
        return _covering(self.past.fleet_outages, now)

    def _status(self, name: str, now: datetime) -> str:
        return next((kind for kind in (DOWN, DEGRADED) if self.is_open(name, kind, now)), "healthy")

    def _version(self, incident: PastIncident, now: datetime) -> str | None:
        deploys = self._deploys.get(incident.project, ())
        if not deploys:
            return self.projects[incident.project].version
        place = bisect_right(deploys, now, key=lambda one: one.at)
        return deploys[place - 1].version if place else deploys[0].from_version

    def _beside(
        self, incident: PastIncident, now: datetime, reach: Reach
    ) -> Iterator[PastIncident]:
        """Yield the incidents that can be facts, each once, and the outages of their projects."""
        found: dict[int, PastIncident] = {}
        for join in reach.incident_joins:
            for other in self._candidates(join, incident, now):
                if other is not incident and self._may_join(join, incident, other):
                    found[other.id] = other
        for other in list(found.values()):
            if outage := self.is_open(other.project, DOWN, now):
                found[outage.id] = outage
        yield from found.values()

    def _candidates(
        self, join: Join, incident: PastIncident, now: datetime
    ) -> Iterable[PastIncident]:
        """Return what opened within a join's window, from the shortest list that has it all."""
        start = now - join.within
        if "project" in join.same:
            own = self._of_project[incident.project]
            starts = self._starts_of[incident.project]
            own = own[bisect_left(starts, start) : bisect_right(starts, now)]
            return [one for one in own if was_open(one, now)] if wants_open(join) else own
        if wants_open(join):
            return [one for one in self._open.at(now) if one.opened_at >= start]
        last = bisect_right(self._starts, now)
        return self.past.incidents[bisect_left(self._starts, start, hi=last) : last]

    def _may_join(self, join: Join, incident: PastIncident, other: PastIncident) -> bool:
        of_kind = self._kinds.get((id(join), other.kind))
        if of_kind is None:
            of_kind = self._kinds[id(join), other.kind] = may_be_of(join, other.kind)
        if not of_kind:
            return False
        key = id(join), incident.kind, incident.project, other.kind, other.project
        known = self._joining.get(key)
        if known is None:
            own, its = self.projects[incident.project], self.projects[other.project]
            known = self._joining[key] = may_join(join, incident.kind, own, other.kind, its)
        return known

    def _deployed(self, incident: PastIncident, now: datetime, reach: Reach) -> list[DeployView]:
        within = reach.within.get("deploy")
        if within is None:
            return []
        own = "deploy" in reach.own_project
        deploys = self._deploys.get(incident.project, []) if own else self._all_deploys
        first = bisect_left(deploys, now - within, key=lambda one: one.at)
        return deploys[first : bisect_right(deploys, now, key=lambda one: one.at)]

    def _maintenance(self, incident: PastIncident, now: datetime) -> dict[str, str]:
        if not self._with_windows:
            return {}
        windows = {
            name: current_window(self.specs[name].maintenance, now)
            for name in (incident.project, *self.projects[incident.project].upstream)
            if name in self._with_windows
        }
        return {name: window.reason for name, window in windows.items() if window is not None}

    def _own_changes(
        self, incident: PastIncident, now: datetime, reach: Reach
    ) -> Iterator[datetime | None]:
        for anomaly in self._anomalies.get(incident.id, ()):
            yield from (anomaly.started_at, anomaly.ended_at)
        for age in reach.ages:
            yield incident.opened_at + age
        yield from (incident.explained_at, incident.explained_until)
        names = (incident.project, *self.projects[incident.project].upstream)
        if reach.by_the_clock or (
            "maintenance" in reach.within and not self._with_windows.isdisjoint(names)
        ):
            yield now.replace(second=0, microsecond=0) + _A_MINUTE

    def _silence_changes(self, incident: PastIncident, reach: Reach) -> Iterator[datetime]:
        if "silence" in reach.within:
            view = self.projects[incident.project]
            for silence in self._silences:
                if covers(silence, self.incident(incident, incident.opened_at), view):
                    yield from (silence.starts_at, silence.ends_at)

    def _next_arrival(self, incident: PastIncident, now: datetime, reach: Reach) -> datetime | None:
        """Return when the next thing happened that could be a fact, while the incident was open."""
        until = incident.resolved_at or self.past.until
        moments: list[datetime] = []
        joins = reach.incident_joins
        place = bisect_right(self._starts, now) if joins else len(self._starts)
        while place < len(self._starts) and self._starts[place] < until:
            other = self.past.incidents[place]
            if any(self._may_join(join, incident, other) for join in joins):
                moments.append(other.opened_at)
                break
            place += 1
        if "deploy" in reach.within:
            deploys = self._deploys.get(incident.project, [])
            place = bisect_right(deploys, now, key=lambda one: one.at)
            moments += [one.at for one in deploys[place : place + 1] if one.at < until]
        return min(moments, default=None)


def _covering(stretches: Sequence[Stretch], now: datetime) -> Stretch | None:
    return next(
        (one for one in stretches if one.start <= now and (one.end is None or one.end > now)), None
    )
