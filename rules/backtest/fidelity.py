"""How far a replay of the current rules comes to what really happened."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from data.past import PastAttempt, PastDecision
from rules.backtest.course import Course, Ruling
from rules.backtest.replay import Replay

MOST_MISSES: Final = 50

Why = Literal[
    "other_version", "dry_run", "not_looked_at", "other_verdict", "fewer_times", "not_run"
]
Said = tuple[str, str, str | None, str | None]
"""The step, the reason, the rule and the action of a decision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """Something on record that the replay does not come to, and why not.

    What it comes to less often than is on record of an incident is one miss, with both numbers.
    """

    incident_id: int
    what: Literal["decision", "attempt"]
    recorded: str
    replayed: str
    why: Why


@dataclass(frozen=True, slots=True, kw_only=True)
class Fidelity:
    """How many recorded decisions and attempts the replay comes to as well.

    `ratio` is the share of both together, None where nothing is on record. `added` are attempts
    that the replay has and the record has not, in incidents of which it has decisions. `why`
    counts all misses, `misses` are the first 50.
    """

    decisions: int
    decisions_reproduced: int
    attempts: int
    attempts_reproduced: int
    added: int
    ratio: float | None
    misses: tuple[Miss, ...]
    why: dict[Why, int]


def fidelity(replay: Replay) -> Fidelity:
    """Compare a replay with the recorded decisions and attempts of the same incidents.

    A decision is reproduced when the replay has one with the same step, reason, rule and action
    in the same incident; an attempt, when it has one of the same action on the same project.
    Each of the replay's stands for one on record. Only for those that another version of the
    rules made it stands any number of times: the hub notes a decision anew with every version.
    """
    courses = {course.incident.id: course for course in replay.courses}
    decisions = [one for one in replay.past.decisions if one.incident_id in courses]
    attempts = [
        one
        for one in replay.past.attempts
        if one.incident_id in courses and one.purpose == "heal" and not one.dry_run
    ]
    version = replay.book.version
    unmatched = list(_unmatched_decisions(decisions, courses, version))
    missed_attempts = list(_missed_attempts(attempts, courses, version))
    times = Counter(
        (one.incident_id, _said(one)) for one in decisions if one.rules_version == version
    )
    described = (_missed(one, courses[one.incident_id], version, times) for one in unmatched)
    misses = [*_once_if_repeated(described), *missed_attempts]
    looked_at = {one.incident_id for one in decisions}
    tried = sum(len(course.tries) for number, course in courses.items() if number in looked_at)
    total, missed = len(decisions) + len(attempts), len(unmatched) + len(missed_attempts)
    return Fidelity(
        decisions=len(decisions),
        decisions_reproduced=len(decisions) - len(unmatched),
        attempts=len(attempts),
        attempts_reproduced=len(attempts) - len(missed_attempts),
        added=max(0, tried - sum(one.was_carried_out for one in attempts)),
        ratio=1 - missed / total if total else None,
        misses=tuple(misses[:MOST_MISSES]),
        why=dict(Counter(one.why for one in misses)),
    )


def _unmatched_decisions(
    decisions: list[PastDecision], courses: dict[int, Course], version: str
) -> Iterator[PastDecision]:
    left = {
        number: Counter(ruling.said for ruling in course.rulings)
        for number, course in courses.items()
    }
    for one in decisions:
        of_incident, said = left[one.incident_id], _said(one)
        if one.rules_version != version:
            if said not in of_incident:
                yield one
        elif of_incident[said] > 0:
            of_incident[said] -= 1
        else:
            yield one


def _missed(
    one: PastDecision, course: Course, version: str, times: Mapping[tuple[int, Said], int]
) -> Miss:
    said = _said(one)
    if replayed := sum(ruling.said == said for ruling in course.rulings):
        recorded = times[one.incident_id, said]
        return Miss(
            incident_id=one.incident_id,
            what="decision",
            recorded=f"{_in_words(*said)}, {_times(recorded)}",
            replayed=f"{_in_words(*said)}, {_times(replayed)}",
            why="fewer_times",
        )
    nearest = _nearest(course, one)
    return Miss(
        incident_id=one.incident_id,
        what="decision",
        recorded=_in_words(*said),
        replayed=_in_words(*nearest.said) if nearest else "nothing",
        why=_why(one, nearest, version),
    )


def _once_if_repeated(misses: Iterable[Miss]) -> Iterator[Miss]:
    told: set[Miss] = set()
    for miss in misses:
        if miss.why != "fewer_times" or miss not in told:
            yield miss
        told.add(miss)


def _said(one: PastDecision) -> Said:
    return one.step, one.reason, one.rule, one.action


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _why(one: PastDecision, nearest: Ruling | None, version: str) -> Why:
    if one.reason == "dry_run":
        return "dry_run"
    if one.rules_version != version:
        return "other_version"
    return "other_verdict" if nearest else "not_looked_at"


def _nearest(course: Course, one: PastDecision) -> Ruling | None:
    return min(course.rulings, key=lambda ruling: abs(ruling.at - one.decided_at), default=None)


def _missed_attempts(
    attempts: list[PastAttempt], courses: dict[int, Course], version: str
) -> Iterator[Miss]:
    made: dict[int, Counter[tuple[str, str]]] = defaultdict(Counter)
    for number, course in courses.items():
        asked = {(one.action, one.target) for one in course.requests}
        tried = Counter((one.action, one.target) for one in course.tries)
        made[number] = tried | Counter(asked)  # what was approved is one attempt, not two
    for one in attempts:
        number = one.incident_id or 0
        if made[number][one.action, one.project] > 0:
            made[number][one.action, one.project] -= 1
            continue
        last = courses[number].rulings[-1] if courses[number].rulings else None
        yield Miss(
            incident_id=number,
            what="attempt",
            recorded=f"{one.action} {one.project}, attempt {one.number}: {one.state}",
            replayed=_in_words(*last.said) if last else "nothing",
            why="other_version" if one.rules_version != version else "not_run",
        )


def _in_words(step: str, reason: str, rule: str | None, action: str | None) -> str:
    what = f" {action}" if action else ""
    by = f" by {rule}" if rule else ""
    return f"{step.replace('_', ' ')}{what} ({reason.replace('_', ' ')}){by}"
