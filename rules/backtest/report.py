"""What a replay comes to, rule by rule, as figures and as one sentence each."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median

from data.past import Past
from rules.backtest.course import Course, Ruling
from rules.backtest.replay import Replay
from rules.rule import Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """Incidents that recovered though nothing was carried out, and how long they lasted."""

    incidents: int
    median_s: float | None = None
    p90_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleReport:
    """What one rule would have done.

    `runs` counts attempts by action, `helped` those of them that count as having helped, and
    `assumed` those of which that is not on record. All others count incidents, by reason where
    there are several: each once for everything that the rule was told in it. `outranked` are
    incidents in which it held, but another rule decided. A rule in shadow mode has done nothing:
    its figures say what it would have been allowed at first.
    """

    rule: str
    mode: Mode
    matched: int
    outranked: int
    acted_in: int
    runs: Mapping[str, int]
    helped: int
    assumed: int
    requested: int
    unanswered: int
    held: Mapping[str, int]
    backed_off: int
    escalated: Mapping[str, int]
    suppressed: int
    denied: Mapping[str, int]
    recovered_alone: Alone

    @property
    def sentence(self) -> str:
        return sentence(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What a rule was told in one incident."""

    course: Course
    rulings: Sequence[Ruling]


def rule_reports(replay: Replay) -> list[RuleReport]:
    """Return one report per rule that is not off, in the order of the book."""
    matched: dict[str, list[Course]] = defaultdict(list)
    for course in replay.courses:
        for name in course.matched:
            matched[name].append(course)
    alone = recovered_alone(replay.past)
    return [
        _report(rule.name, rule.mode, matched[rule.name], alone)
        for rule in replay.book.rules
        if rule.mode != "off"
    ]


def recovered_alone(past: Past) -> dict[int, float]:
    """Return how many seconds each incident lasted that recovered with nothing carried out."""
    touched = {one.incident_id for one in past.attempts if one.was_carried_out}
    return {
        one.id: (one.resolved_at - one.opened_at).total_seconds()
        for one in past.incidents
        if one.recovered and one.resolved_at is not None and one.id not in touched
    }


def _report(
    name: str, mode: Mode, courses: Sequence[Course], alone: Mapping[int, float]
) -> RuleReport:
    told = [_Told(course=course, rulings=_rulings(course, name, mode)) for course in courses]
    tries = [one for course in courses for one in course.tries if one.rule == name]
    requests = [one for course in courses for one in course.requests if one.rule == name]
    runs = Counter(one.action for one in tries)
    if mode == "shadow":
        runs = Counter(r.action or "" for one in told for r in one.rulings if r.step == "run")
    acted = [one.course for one in told if any(r.step == "run" for r in one.rulings)]
    return RuleReport(
        rule=name,
        mode=mode,
        matched=len(courses),
        outranked=sum(not one.rulings for one in told),
        acted_in=len(acted),
        runs=dict(sorted(runs.items())),
        helped=sum(one.succeeded for one in tries),
        assumed=sum(one.basis == "assumed" for one in tries),
        requested=_incidents(told, "request_approval"),
        unanswered=sum(one.answer == "expired" for one in requests),
        held=_by_reason(told, "hold"),
        backed_off=_incidents(told, "wait"),
        escalated=_by_reason(told, "escalate"),
        suppressed=_incidents(told, "suppress"),
        denied=_by_reason(told, "denied"),
        recovered_alone=_alone([alone[c.incident.id] for c in acted if c.incident.id in alone]),
    )


def _rulings(course: Course, name: str, mode: Mode) -> list[Ruling]:
    if mode == "shadow":
        return [course.shadow[name]] if name in course.shadow else []
    return [ruling for ruling in course.rulings if ruling.rule == name]


def _incidents(told: Sequence[_Told], step: str) -> int:
    return sum(any(ruling.step == step for ruling in one.rulings) for one in told)


def _by_reason(told: Sequence[_Told], step: str) -> dict[str, int]:
    reasons = Counter(
        reason for one in told for reason in {r.reason for r in one.rulings if r.step == step}
    )
    return dict(sorted(reasons.items()))


def _alone(lasted_s: Sequence[float]) -> Alone:
    if not lasted_s:
        return Alone(incidents=0)
    in_order = sorted(lasted_s)
    return Alone(
        incidents=len(in_order),
        median_s=median(in_order),
        p90_s=in_order[ceil(0.9 * len(in_order)) - 1],
    )


_HELD_BY: Mapping[str, str] = {
    "brake": "the brake",
    "network_suspected": "a suspected network outage",
    "breaker_open": "the breaker",
    "rate_limited": "the rate limit",
    "blast_radius": "the blast radius",
    "cooling_down": "the cooldown",
    "busy": "the same action under way",
}


def sentence(report: RuleReport) -> str:
    """Return what a rule would have done in plain words."""
    if not report.matched:
        return "would never have matched"
    parts = list(_parts(report))
    if not parts:
        return f"would have matched {report.matched} times and never decided"
    return "would have " + ", ".join(parts)


def _parts(report: RuleReport) -> Iterator[str]:
    if report.runs:
        yield "run " + " and ".join(f"{n} {_plural(name, n)}" for name, n in report.runs.items())
    elif not report.suppressed and not report.escalated:
        yield "run nothing"
    if report.suppressed:
        yield f"suppressed {report.suppressed} {_plural('incident', report.suppressed)}"
    for reason, count in report.held.items():
        yield f"{count} held by {_HELD_BY.get(reason, reason)}"
    if report.requested:
        waiting = f", {report.unanswered} of them unanswered" if report.unanswered else ""
        yield f"{report.requested} waiting for approval{waiting}"
    if report.escalated:
        yield f"{sum(report.escalated.values())} given to a person"
    for reason, count in report.denied.items():
        yield f"{count} denied ({reason.replace('_', ' ')})"
    if report.outranked:
        yield f"{report.outranked} left to another rule"
    if alone := report.recovered_alone.incidents:
        where = "a service" if alone == 1 else "services"
        how_fast = f"{report.recovered_alone.median_s:.0f} s"
        if alone > 1:
            how_fast += f" (median; 90 % within {report.recovered_alone.p90_s:.0f} s)"
        yield f"{alone} on {where} that recovered by {_itself(alone)} in {how_fast}"


def _itself(count: int) -> str:
    return "itself" if count == 1 else "themselves"


def _plural(name: str, count: int) -> str:
    text = name.replace("_", " ")
    if count == 1:
        return text
    return text + ("es" if text.endswith(("s", "x", "ch", "sh")) else "s")
