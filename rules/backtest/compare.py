"""Incident by incident: what one set of rules did, beside what another would have done."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from data.past import Past, PastAttempt, PastDecision, PastIncident
from rules.backtest.course import Course
from rules.backtest.replay import Replay

MOST_EXAMPLES: Final = 10
"""Of each kind of difference."""

Change = Literal[
    "same_action", "other_action", "would_act", "would_not_act", "other_step", "neither_acts"
]
CHANGES: Final[tuple[Change, ...]] = (
    "same_action",
    "other_action",
    "would_act",
    "would_not_act",
    "other_step",
    "neither_acts",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handling:
    """How an incident was handled: what was carried out, in order, and how it was left at last."""

    actions: tuple[tuple[str, str], ...] = ()
    last: tuple[str, str] | None = None

    @property
    def in_words(self) -> str:
        if not self.actions:
            step, reason = self.last or ("nothing", "nobody looked")
            return f"{step} ({reason.replace('_', ' ')})".replace("_", " ")
        names = [f"{action} {target}" for action, target in self.actions]
        counted = {name: names.count(name) for name in names}
        return ", ".join(n if count == 1 else f"{n}, {count} times" for n, count in counted.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """An incident that is handled differently."""

    change: Change
    incident_id: int
    project: str
    kind: str
    opened_at: datetime
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How many incidents are handled how, with the first instances of each difference."""

    incidents: int
    same_action: int
    other_action: int
    would_act: int
    would_not_act: int
    other_step: int
    neither_acts: int
    examples: tuple[Instance, ...]


def with_record(replay: Replay) -> Comparison:
    """Compare a replay with what rules really did; what people did by hand is left out."""
    return _compare(_recorded(replay.past, replay.courses), replay.courses)


def with_other(before: Replay, after: Replay) -> Comparison:
    """Compare two replays of the same stretch of time."""
    handled = [(course.incident, handling(course)) for course in before.courses]
    return _compare(handled, after.courses)


def handling(course: Course) -> Handling:
    """Return how an incident would have been handled."""
    last = course.rulings[-1] if course.rulings else None
    return Handling(
        actions=tuple((one.action, one.target) for one in course.tries),
        last=(last.step, last.reason) if last else None,
    )


def _recorded(past: Past, courses: Sequence[Course]) -> Iterator[tuple[PastIncident, Handling]]:
    carried: dict[int, list[PastAttempt]] = {}
    last: dict[int, PastDecision] = {decision.incident_id: decision for decision in past.decisions}
    for attempt in past.attempts:
        if attempt.incident_id and attempt.purpose == "heal" and attempt.was_carried_out:
            carried.setdefault(attempt.incident_id, []).append(attempt)
    for course in courses:
        number = course.incident.id
        decision = last.get(number)
        yield (
            course.incident,
            Handling(
                actions=tuple((one.action, one.project) for one in carried.get(number, ())),
                last=(decision.step, decision.reason) if decision else None,
            ),
        )


def _compare(
    before: Iterable[tuple[PastIncident, Handling]], after: Iterable[Course]
) -> Comparison:
    counts = dict.fromkeys(CHANGES, 0)
    examples: list[Instance] = []
    for (incident, then), course in zip(before, after, strict=True):
        now = handling(course)
        change = change_between(then, now)
        counts[change] += 1
        if change not in {"same_action", "neither_acts"} and counts[change] <= MOST_EXAMPLES:
            examples.append(
                Instance(
                    change=change,
                    incident_id=incident.id,
                    project=incident.project,
                    kind=incident.kind,
                    opened_at=incident.opened_at,
                    before=then.in_words,
                    after=now.in_words,
                )
            )
    examples.sort(key=lambda one: (CHANGES.index(one.change), one.incident_id))
    return Comparison(incidents=sum(counts.values()), examples=tuple(examples), **counts)


def change_between(before: Handling, after: Handling) -> Change:
    """Tell how two ways to handle an incident differ; how often one was tried is no difference."""
    then, now = set(before.actions), set(after.actions)
    if then and now:
        return "same_action" if then == now else "other_action"
    if now:
        return "would_act"
    if then:
        return "would_not_act"
    return "neither_acts" if before.last == after.last else "other_step"
