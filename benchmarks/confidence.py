"""What measured confidence comes to, on simulated decisions of which the truth is known.

    uv run python -m benchmarks.confidence [--seed 7] [--decisions 2000] [--runs 25]

The reasoner is right with a chance that only the simulation knows, and states too much confidence.
Three tables: how stated and mapped confidence score beside the true chance; what the gate does with
reasoners of known skill; and how decisions graduate to rules, so that ever fewer are asked about.
Everything comes from the seed; no request is sent to anybody.
"""

import argparse
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from statistics import fmean, median
from typing import Literal

from config.action_spec import Risk
from reasoning.confidence.calibration import Isotonic, Judged, Platt, Raw, calibrate, shown
from reasoning.confidence.evidence import Basis, Evidence, Outcome, Subject, Trial, after
from reasoning.confidence.gate import NEEDED, Candidate, judge
from reasoning.confidence.promotion import Case, Proposal, Review, proposals, review
from reasoning.confidence.scores import brier, expected_calibration_error
from rules.facts import FieldValue

START = datetime(2026, 3, 1, tzinfo=UTC)
APART = timedelta(minutes=40)
BASIS = Basis("model", "prompt", "definition")
ACTIONS = ("restart", "clear_cache", "rollback", "scale")
SKILLS = (0.60, 0.70, 0.80, 0.90, 0.95, 0.99)
RISKS: tuple[Risk, ...] = ("reversible", "disruptive")
BLOCKS = 8
MOST_CASES = 300
"""The newest, of which proposals are made."""

LOOKED_INTO_EVERY = 50
"""So many decisions apart, maps are fitted anew and proposals looked for."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a reasoner said, the true chance that it is right, and whether it was."""

    chance: float
    stated: float
    right: bool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--decisions", type=int, default=2000, help="in the first and last table")
    parser.add_argument("--runs", type=int, default=25, help="reasoners per skill at the gate")
    given = parser.parse_args()
    started = time.monotonic()
    show_scores(given.seed, given.decisions)
    show_gate(given.seed, given.runs)
    show_graduation(given.seed, given.decisions)
    print(f"\n{time.monotonic() - started:.1f} s")


def decisions(seed: int) -> Iterator[Decision]:
    """Yield decisions of an overconfident reasoner, with noise on what it states."""
    chance = random.Random(seed)
    while True:
        odds = chance.gauss(1.2, 1.0)
        stated = _sigmoid(1.7 * odds + 0.6 + chance.gauss(0, 0.3))
        right = _sigmoid(odds)
        yield Decision(right, stated, chance.random() < right)


def show_scores(seed: int, number: int) -> None:
    """Print the scores of what was shown, each decision mapped by what was known before it."""
    print("Brier score and calibration error, of what was shown at the time")
    columns = ("Brier", "stated", "shown", "least", "ECE", "stated", "shown")
    print(f"{'decisions':<14}" + "".join(f"{one:>10}" for one in columns) + "  map")
    made = list(islice(decisions(seed), number))
    told, map_name = _as_shown(made)
    size = number // BLOCKS
    for block in range(0, size * BLOCKS, size):
        part = slice(block, block + size)
        stated, least = _judged(made[part], "stated"), _judged(made[part], "chance")
        scores = [
            None,
            *(brier(one, 1).value for one in (stated, told[part], least)),
            None,
            *(expected_calibration_error(one, 1).value for one in (stated, told[part])),
        ]
        label = f"{block + 1}–{block + size}"
        print(f"{label:<14}" + "".join(map(_ratio, scores)) + f"  {map_name(block + size)}")
    stated, least = _judged(made, "stated"), _judged(made, "chance")
    scores = [None, *(brier(one, 1).value for one in (stated, told, least))]
    print(f"{'all':<14}" + "".join(map(_ratio, scores)))
    print("least: the score of the true chances, which nobody knows")


def _judged(made: Sequence[Decision], by: Literal["stated", "chance"]) -> list[Judged]:
    return [Judged(one.stated if by == "stated" else one.chance, float(one.right)) for one in made]


def _as_shown(made: Sequence[Decision]) -> tuple[list[Judged], Callable[[int], str]]:
    judged = _judged(made, "stated")
    told: list[Judged] = []
    names: list[str] = []
    for begin in range(0, len(judged), LOOKED_INTO_EVERY):
        map_ = calibrate(judged[:begin]).map
        names.append(_name(map_))
        told += [
            Judged(shown(map_, one.stated), one.right)
            for one in judged[begin : begin + LOOKED_INTO_EVERY]
        ]
    return told, lambda until: names[(until - 1) // LOOKED_INTO_EVERY]


def _name(map_: Raw | Platt | Isotonic) -> str:
    if isinstance(map_, Platt):
        return f"platt {map_.slope:.2f} {map_.offset:+.2f}"
    return type(map_).__name__.lower()


def show_gate(seed: int, runs: int) -> None:
    """Print what the gate makes of reasoners of known skill within 300 decisions."""
    print("\nThe gate, over 300 decisions that all are verified")
    heading = "".join(f"{f'{one:.2f}':>8}" for one in SKILLS)
    print(f"{'true skill':<42}{heading}")
    seen = {skill: [_opened(seed, skill, n) for n in range(runs)] for skill in SKILLS}
    for risk in RISKS:
        courses = {skill: [one[risk] for one in seen[skill]] for skill in SKILLS}
        _row(
            f"{risk}, needs {NEEDED[risk]}: ever open %",
            [100 * fmean(any(one) for one in courses[skill]) for skill in SKILLS],
        )
        _row(
            "  open, % of decisions",
            [100 * fmean(fmean(one) for one in courses[skill]) for skill in SKILLS],
        )
        _row("  first open at decision, median", [_first(courses[skill]) for skill in SKILLS])
        closing = [_until_closed(seed, risk, n) for n in range(runs)]
        print(
            f"  0.97 for 150 decisions, then 0.40: closed after {fmean(closing):.1f} "
            f"(at most {max(closing)}), {0.6 * fmean(closing):.1f} of them wrong"
        )


def _opened(seed: int, skill: float, run: int) -> dict[Risk, list[bool]]:
    """Return by risk whether the gate is open at each of 300 decisions."""
    chance = random.Random(f"{seed} {skill} {run}")
    evidence = Evidence(basis=BASIS)
    found: dict[Risk, list[bool]] = {risk: [] for risk in RISKS}
    for _ in range(300):
        for risk in RISKS:
            found[risk].append(judge(_candidate(risk), evidence).course == "act")
        evidence = after(evidence, "right" if chance.random() < skill else "wrong")
    return found


def _until_closed(seed: int, risk: Risk, run: int) -> int:
    """Return after how many decisions a gate closes once skill is lost."""
    chance = random.Random(f"{seed} {run}")
    evidence = Evidence(basis=BASIS)
    for _ in range(150):
        evidence = after(evidence, "right" if chance.random() < 0.97 else "wrong")
    for number in count():
        if judge(_candidate(risk), evidence).course != "act":
            return number
        evidence = after(evidence, "right" if chance.random() < 0.40 else "wrong")
    raise AssertionError


def _first(courses: Sequence[Sequence[bool]]) -> float | None:
    found = [one.index(True) + 1 for one in courses if any(one)]
    return median(found) if 2 * len(found) > len(courses) else None


def _candidate(risk: Risk) -> Candidate:
    return Candidate(
        risk=risk, autonomy="auto", basis=BASIS, grounded=True, injection_suspected=False
    )


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident with what it takes to heal it, and how hard that is to see for the reasoner."""

    subject_kind: str
    fields: dict[str, FieldValue]
    remedy: str
    skill: float


@dataclass(slots=True)
class Fleet:
    """What has been learned, and the count of what was done in the present block."""

    evidence: dict[Subject, Evidence] = field(default_factory=dict)
    cases: list[Case] = field(default_factory=list)
    rules: dict[str, tuple[Proposal, list[Outcome]]] = field(default_factory=dict)
    retired: int = 0


@dataclass(slots=True)
class Counted:
    """What happened in a stretch of decisions."""

    by_rule: int = 0
    by_gate: int = 0
    by_person: int = 0
    alone_right: int = 0
    all_right: int = 0

    @property
    def alone(self) -> int:
        return self.by_rule + self.by_gate


def incidents(seed: int) -> Iterator[Incident]:
    """Yield incidents of one project, of which the remedy follows from its numbers, but for noise.

    Memory: restart from 1,200 MB of heap on, else clear the cache. Errors: roll back after a
    deploy of this version, else restart. Latency: nothing in the numbers says what helps.
    """
    chance = random.Random(seed)
    while True:
        kind = chance.choice(("memory", "error_rate", "latency"))
        heap, hour = chance.uniform(400, 2000), float(chance.randrange(24))
        detector, value = chance.choice(("level", "trend")), chance.uniform(80, 100)
        noise = chance.random() < 0.01
        match kind:
            case "memory":
                remedy, skill = "restart" if heap >= 1200 else "clear_cache", 0.88
            case "error_rate":
                remedy, skill = "rollback" if detector == "level" else "restart", 0.92
            case _:
                remedy, skill = chance.choice(("restart", "scale")), 0.60
        fields: dict[str, FieldValue] = {
            "kind": kind,
            "project": "shop",
            "metrics.heap_mb": heap,
            "hour": hour,
            "detector": detector,
            "value": value,
        }
        yield Incident(kind, fields, "none" if noise else remedy, skill)


def show_graduation(seed: int, number: int) -> None:
    """Print, block by block, who decided and how often that was right."""
    print("\nGraduation: a rule that is proposed is approved, and retired when its bound falls")
    columns = ("calls", "by rule", "by gate", "by person", "alone: right", "of all", "all: right")
    print(f"{'% of decisions':<15}" + "".join(f"{one:>13}" for one in (*columns, "rules")))
    fleet, chance = Fleet(), random.Random(seed + 1)
    stream = incidents(seed)
    size = number // BLOCKS
    for block in range(0, size * BLOCKS, size):
        counted = Counted()
        for n, incident in enumerate(islice(stream, size), start=block):
            _respond(fleet, incident, counted, chance, START + n * APART)
            if n % LOOKED_INTO_EVERY == LOOKED_INTO_EVERY - 1:
                _promote(fleet)
        figures = (
            100 * (size - counted.by_rule) / size,
            100 * counted.by_rule / size,
            100 * counted.by_gate / size,
            100 * counted.by_person / size,
            100 * counted.alone_right / counted.alone if counted.alone else None,
            100 * counted.alone_right / size,
            100 * counted.all_right / size,
            len(fleet.rules),
        )
        label = f"{block + 1}–{block + size}"
        print(f"{label:<15}" + "".join(f"{_whole(one):>13}" for one in figures))
    for text in sorted(fleet.rules):
        print(f"  {text}")
    print(f"  retired: {fleet.retired}")
    print("of all: healed rightly with nobody asked; all: right, if every advice were followed")


def _respond(
    fleet: Fleet, incident: Incident, counted: Counted, chance: random.Random, at: datetime
) -> None:
    """Let a rule act, or ask the reasoner, and let the gate say whether a person must agree."""
    for name, (proven, outcomes) in fleet.rules.items():
        if _holds(proven, incident.fields):
            right = proven.subject.action == incident.remedy
            counted.by_rule += 1
            counted.alone_right += right
            counted.all_right += right
            outcomes.append("right" if right else "wrong")
            fleet.cases.append(_case(proven.subject, incident, right=right, at=at))
            if _reviewed(proven, outcomes).standing == "demoted":
                del fleet.rules[name]
                fleet.retired += 1
            return
    seen = chance.random() < incident.skill
    others = [one for one in ACTIONS if one != incident.remedy]
    action = incident.remedy if seen and incident.remedy != "none" else chance.choice(others)
    subject = Subject("shop", incident.subject_kind, action)
    right = action == incident.remedy
    counted.all_right += right
    known = fleet.evidence.get(subject, Evidence(basis=BASIS))
    if judge(_candidate("reversible"), known).course == "act":
        counted.by_gate += 1
        counted.alone_right += right
    else:
        counted.by_person += 1
    fleet.evidence[subject] = after(known, "right" if right else "wrong")
    fleet.cases.append(_case(subject, incident, right=right, at=at))


def _case(subject: Subject, incident: Incident, *, right: bool, at: datetime) -> Case:
    outcome: Outcome = "right" if right else "wrong"
    trial = Trial(subject=subject, basis=BASIS, at=at, stated=0.9, outcome=outcome)
    return Case(trial=trial, parameters=(), fields=incident.fields)


def _promote(fleet: Fleet) -> None:
    standing = {proven.subject for proven, _ in fleet.rules.values()}
    for proposal in proposals(fleet.cases[-MOST_CASES:]):
        if proposal.when and proposal.subject not in standing:
            tests = [f"{one.field} {one.operator} {one.operand}" for one in proposal.when.all[1:]]
            where = " and ".join(tests) or "always"
            name = f"{proposal.subject.kind}, {where}: {proposal.subject.action}"
            fleet.rules[name] = (proposal, [])


def _reviewed(proven: Proposal, outcomes: Sequence[Outcome]) -> Review:
    """Review a rule that a person looks at after every failure, and lets go on."""
    return review(proven, outcomes, looked_at=len(outcomes))


def _holds(proven: Proposal, fields: dict[str, FieldValue]) -> bool:
    """Return whether the few operators that conditions are made of hold."""
    if proven.when is None or fields["kind"] != proven.subject.kind:
        return False
    for test in proven.when.all:
        value, operand = fields[test.field], test.operand
        if isinstance(value, float) and isinstance(operand, float):
            if (value >= operand) is not (test.operator == "gte"):
                return False
        elif value != operand:
            return False
    return True


def _row(what: str, figures: Sequence[float | None]) -> None:
    print(f"{what:<42}" + "".join(f"{_whole(one):>8}" for one in figures))


def _ratio(value: float | None) -> str:
    return f"{'':>10}" if value is None else f"{value:>10.3f}"


def _whole(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def _sigmoid(score: float) -> float:
    return 1 / (1 + math.exp(-score))


if __name__ == "__main__":
    main()
