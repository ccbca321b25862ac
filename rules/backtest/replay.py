"""Replay what is on record through a rule book, with a clock that jumps from event to event."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heappop, heappush
from typing import Final

from config.healing import HealingSettings
from data.past import Past, PastAttempt, PastIncident
from rules.backtest.course import Course, Ruling, Try
from rules.backtest.ledger import Ledger
from rules.backtest.open_incidents import was_open
from rules.backtest.outcomes import Outcomes
from rules.backtest.recall import Recall
from rules.backtest.standings import Stand, Standings
from rules.backtest.world import World
from rules.engine import Engine
from rules.policy import Standing, Verdict
from rules.projection import ActionView, signal_of
from rules.rule import RuleBook

MOST_LOOKS: Final = 200
"""At one incident; after so many it stays as it is."""

_A_MOMENT: Final = timedelta(microseconds=1)
_FINAL: Final = frozenset({"attempts_used_up", "permanent_failure", "rejected", "approval_expired"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """The courses that the incidents of a stretch of time would have taken, in order."""

    book: RuleBook
    past: Past
    courses: tuple[Course, ...]


def replay(past: Past, engine: Engine, settings: HealingSettings) -> Replay:
    """Return what the rules of an engine would have done in a recorded stretch of time.

    The engine, the policy and the limits are the real ones; only the clock is not. Nothing is
    done, and what undoes or releases an action afterwards is not replayed.
    """
    simulation = _Simulation(past, engine, settings)
    simulation.run()
    return Replay(book=engine.book, past=past, courses=tuple(simulation.courses))


class _Simulation:
    def __init__(self, past: Past, engine: Engine, settings: HealingSettings) -> None:
        self._past = past
        self._engine = engine
        self._recall = Recall(engine)
        self._settings = settings
        self._world = World(past, engine.book)
        self._ledger = Ledger(settings, self._world.fleet_size)
        self._standings = Standings(self._world, self._ledger, settings)
        self._outcomes = Outcomes(past, settings.approval_expires)
        self._verdicts: dict[tuple[Standing, ...], Verdict] = {}
        self._left_to: dict[int, PastIncident] = {}
        self._looks: dict[int, int] = {}
        self._shadow = {rule.name for rule in engine.book.rules if rule.mode == "shadow"}
        self._due: list[tuple[datetime, int, Callable[[datetime], None]]] = []
        self._count = 0
        self.courses = [
            Course(incident=incident)
            for incident in past.incidents
            if incident.opened_at >= past.since
        ]

    def run(self) -> None:
        """Take every event in the order of time until none is left in the stretch."""
        for attempt in self._past.attempts:
            self._foretell(attempt)
        for course in self.courses:
            self._look_at(course.incident.opened_at, course)
        while self._due:
            at, _, happens = heappop(self._due)
            if at < self._past.until:
                happens(at)

    def _at(self, at: datetime, happens: Callable[[datetime], None]) -> None:
        self._count += 1
        heappush(self._due, (at, self._count, happens))

    def _look_at(self, at: datetime | None, course: Course) -> None:
        ended_at = course.incident.resolved_at
        if at is not None and (ended_at is None or at < ended_at):
            self._at(at, lambda now: self._look(course, now))

    def _foretell(self, attempt: PastAttempt) -> None:
        """Have an act happen that is not these rules' own: a person's, or one before the time."""
        began, heals = attempt.executing_at, attempt.purpose == "heal"
        if began is None or attempt.dry_run or not (began < self._past.since or not heals):
            return
        if attempt.purpose not in {"heal", "by_hand"}:
            return
        ended, project, action = attempt.finished_at or began, attempt.project, attempt.action

        def begin(now: datetime) -> None:
            self._ledger.begin(
                project, action, now, incident_id=attempt.incident_id, until=ended, heals=heals
            )

        def finish(now: datetime) -> None:
            helped = bool(attempt.succeeded)
            self._ledger.finish(project, action, now, succeeded=helped, heals=heals)
            self._ledger.show(
                ActionView(
                    project=project,
                    action=action,
                    state=attempt.state,
                    at=now,
                    rule=attempt.rule,
                    by=attempt.requested_by,
                )
            )

        self._at(began, begin)
        self._at(ended, finish)

    def _look(self, course: Course, now: datetime) -> None:
        """Ask the rules about an incident, note what they say, and follow it.

        1. What is left to another incident is left alone.
        2. Match, see where each rule stands, let the policy choose. 3. Act, or look again later.
        """
        incident = course.incident
        self._looks[incident.id] = self._looks.get(incident.id, 0) + 1
        if self._looks[incident.id] > MOST_LOOKS:
            return
        if self._is_explained(incident, now):
            course.note(Ruling(at=now, step="suppress", reason="explained"))
            self._look_at(self._explained_until(incident), course)
            return
        stands = self._stands(course, now)
        verdict, chosen = self._verdict(stands)
        if verdict.reason == "no_rule" and now < incident.opened_at + self._settings.grace:
            self._gather(course, verdict, now)
            return
        course.note(_ruling(verdict, chosen, now))
        self._look_at(self._follow(course, verdict, chosen, now), course)

    def _gather(self, course: Course, verdict: Verdict, now: datetime) -> None:
        """Wait for facts; where none comes in, the rules will not say anything else."""
        course.note(Ruling(at=now, step="wait", reason="gathering_facts"))
        until = course.incident.opened_at + self._settings.grace
        change = self._world.next_change(course.incident, now)
        if change is not None and change <= until:
            self._look_at(until, course)
            return
        ended_at = course.incident.resolved_at
        if until < self._past.until and (ended_at is None or ended_at > until):
            course.note(_ruling(verdict, None, until))
        self._look_at(change, course)

    def _stands(self, course: Course, now: datetime) -> list[Stand]:
        world, incident = self._world, course.incident
        acts = self._acts(incident, now)
        signal = signal_of(
            world.incident(incident, now),
            world.project(incident, now),
            now,
            attempts=sum(one.finished_at <= now for one in course.tries),
        )
        facts = world.facts(incident, now, acts)
        matches = self._recall.match(signal, facts, world.reach(incident.kind))
        stands = [self._standings.of(match, course, now) for match in matches]
        for stand in stands:
            course.matched.setdefault(stand.rule.name)
            if stand.rule.name in self._shadow and stand.rule.name not in course.shadow:
                alone = self._decide([stand.standing])
                course.shadow[stand.rule.name] = _ruling(alone, stand, now)
        return [stand for stand in stands if stand.rule.name not in self._shadow]

    def _acts(self, incident: PastIncident, now: datetime) -> list[ActionView]:
        reach = self._world.reach(incident.kind)
        within = reach.within.get("action")
        if within is None:
            return []
        project = incident.project if "action" in reach.own_project else None
        return self._ledger.views(project, now - within)

    def _verdict(self, stands: Sequence[Stand]) -> tuple[Verdict, Stand | None]:
        verdict = self._decide([stand.standing for stand in stands])
        return verdict, next((one for one in stands if one.rule.name == verdict.rule), None)

    def _decide(self, standings: Sequence[Standing]) -> Verdict:
        """Ask the policy; it is asked once about the same, as it has no memory of its own."""
        key = tuple(standings)
        if key not in self._verdicts:
            self._verdicts[key] = self._engine.decide(standings)
        return self._verdicts[key]

    def _follow(
        self, course: Course, verdict: Verdict, chosen: Stand | None, now: datetime
    ) -> datetime | None:
        """Do what the policy said, and return when to look again, None when never."""
        if chosen is None or verdict.step in {"suppress", "denied", "escalate"}:
            is_final = verdict.reason in _FINAL
            return None if is_final else self._world.next_change(course.incident, now)
        if verdict.step == "run":
            return self._act(course, chosen, now)
        if verdict.step == "request_approval":
            request = self._outcomes.request(course, chosen, now)
            course.requests.append(request)
            return request.answered_at
        return max(chosen.free_at, now + _A_MOMENT) if chosen.free_at else None

    def _act(self, course: Course, chosen: Stand, now: datetime) -> datetime:
        made = self._outcomes.attempt(course, chosen, now)
        course.tries.append(made)
        self._ledger.begin(
            made.target,
            made.action,
            now,
            incident_id=course.incident.id,
            until=made.finished_at,
            heals=True,
        )
        self._at(made.finished_at, lambda at: self._finish(made, at))
        if made.target != course.incident.project:
            self._leave_others(course.incident, chosen, now)
        return made.finished_at

    def _finish(self, made: Try, at: datetime) -> None:
        self._ledger.finish(made.target, made.action, at, succeeded=made.succeeded, heals=True)
        self._ledger.show(
            ActionView(
                project=made.target,
                action=made.action,
                state="completed" if made.succeeded else "failed",
                at=at,
                rule=made.rule,
                by="opslore",
            )
        )

    def _leave_others(self, incident: PastIncident, chosen: Stand, now: datetime) -> None:
        """Leave the incidents that a shared dependency explains to the one that is acted on."""
        projects = {
            str(fact.fields["project"]) for fact in chosen.match.facts if fact.type == "incident"
        }
        for other in self._world.open_in(projects, now):
            if other.id != incident.id and other.id not in self._left_to:
                self._left_to[other.id] = incident

    def _is_explained(self, incident: PastIncident, now: datetime) -> bool:
        cause = self._left_to.get(incident.id)
        if cause is not None and was_open(cause, now):
            return True
        since, until = incident.explained_at, incident.explained_until
        return since is not None and since <= now and (until is None or until > now)

    def _explained_until(self, incident: PastIncident) -> datetime | None:
        cause = self._left_to.get(incident.id)
        return cause.resolved_at if cause is not None else incident.explained_until


def _ruling(verdict: Verdict, chosen: Stand | None, now: datetime) -> Ruling:
    return Ruling(
        at=now,
        step=verdict.step,
        reason=verdict.reason,
        rule=verdict.rule,
        action=chosen.rule.then.action if chosen else None,
        target=chosen.target if chosen else None,
    )
