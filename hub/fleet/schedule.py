"""Which fault comes when: pure plans for a run of the demo."""

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hub.fleet.members import KINDS, PROJECTS, TANGLED, FaultKind, dependents_of

FIRST_AT_S = 12.0  # before, the machine is busy starting up
QUIET_END_S = 8.0  # so that the end of the last fault can be noticed
SETTLE_S = 4.0  # between two faults of one project
ROUND_S = 80.0  # a run long enough for two such rounds sees every kind twice
STEP_S = 0.5
WORTH_WAITING_S = 5.0  # a fault waits that much for a project that it prefers
LASTS_S: Mapping[FaultKind, tuple[float, float]] = {
    "crash": (12, 15),
    "leak": (18, 20),  # it takes ten seconds to pass 85 %
    "errors": (14, 18),
    "spike": (12, 16),
    "slow": (15, 19),  # each scrape takes nearly three seconds
    "tangled": (16, 20),
}
PREFERRED: Mapping[FaultKind, str] = {
    "crash": "social-media",
    "leak": "email-blast",
    "errors": "chatbot",
    "spike": "social-media",
    "slow": "email-blast",
    "tangled": TANGLED,
}
TRIES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPlan:
    """One fault: `at_s` after the start of the run, for `ends_after_s` unless it is healed.

    `errors` is the deploy of a bad version, `tangled` a reloaded configuration that also shows
    in the projects that depend on this one.
    """

    kind: FaultKind
    project: str
    at_s: float
    ends_after_s: float

    @property
    def ends_at_s(self) -> float:
        """Seconds after the start of the run."""
        return self.at_s + self.ends_after_s

    @property
    def touches(self) -> frozenset[str]:
        """The projects in which it shows."""
        others = dependents_of(self.project) if self.kind == "tangled" else ()
        return frozenset((self.project, *others))


def scripted(seconds: float, kinds: Iterable[FaultKind] = KINDS) -> tuple[FaultPlan, ...]:
    """Return the same plan every time, spread over the run; () when it is shorter than 32 s.

    A short run has fewer kinds, the crash first. A long run (172 s and more) sees each kind
    several times, on changing projects.

    Raises:
        ValueError: a kind is unknown.
    """
    wanted = _in_order(kinds)
    rounds = _rounds(seconds)
    plans: list[FaultPlan] = []
    for number, (begin, end) in enumerate(rounds):
        choices = [
            _Choice(kind, LASTS_S[kind][0], _projects_of(kind, number), 0.0) for kind in wanted
        ]
        plans += _spread(choices, begin, end, plans)
    return tuple(plans)


def randomised(
    seed: int, seconds: float, kinds: Iterable[FaultKind] = KINDS
) -> tuple[FaultPlan, ...]:
    """Return a plan that the seed decides: order (but the crash first), projects, times.

    The same rules hold as for `scripted`.

    Raises:
        ValueError: a kind is unknown.
    """
    wanted = _in_order(kinds)
    chance = random.Random(seed)
    plans: list[FaultPlan] = []
    for begin, end in _rounds(seconds):
        tries = (_random_round(chance, wanted, begin, end, plans) for _ in range(TRIES))
        best: list[FaultPlan] = []
        for found in tries:
            best = max(best, found, key=len)
            if len(best) == len(wanted):
                break
        plans += best
    return tuple(plans)


@dataclass(frozen=True, slots=True)
class _Choice:
    """A fault that wants a place: soon, and rather on the first of `projects`."""

    kind: FaultKind
    lasts_s: float
    projects: Sequence[str]
    pause_s: float


def _in_order(kinds: Iterable[FaultKind]) -> list[FaultKind]:
    wanted = set(kinds)
    unknown = sorted(wanted - set(KINDS))
    if unknown:
        raise ValueError(f"no such fault: {', '.join(unknown)} (there are {', '.join(KINDS)})")
    return [kind for kind in LASTS_S if kind in wanted]


def _rounds(seconds: float) -> list[tuple[float, float]]:
    usable = max(seconds - FIRST_AT_S - QUIET_END_S, 0.0)
    number = max(int(usable // ROUND_S), 1)
    each = usable / number
    return [(FIRST_AT_S + i * each, FIRST_AT_S + (i + 1) * each) for i in range(number)]


def _projects_of(kind: FaultKind, turn: int) -> Sequence[str]:
    if kind == "tangled":
        return (TANGLED,)
    first = PROJECTS.index(PREFERRED[kind]) + turn
    return [PROJECTS[(first + i) % len(PROJECTS)] for i in range(len(PROJECTS))]


def _random_round(
    chance: random.Random,
    kinds: Sequence[FaultKind],
    begin: float,
    end: float,
    before: Sequence[FaultPlan],
) -> list[FaultPlan]:
    order = sorted(kinds, key=lambda kind: (kind != "crash", chance.random()))
    choices = [
        _Choice(
            kind,
            _on_grid(chance.uniform(*LASTS_S[kind])),
            (TANGLED,) if kind == "tangled" else chance.sample(PROJECTS, len(PROJECTS)),
            _on_grid(chance.uniform(0, 2)),
        )
        for kind in order
    ]
    return _spread(choices, begin, end, before)


def _spread(
    choices: Sequence[_Choice], begin: float, end: float, before: Sequence[FaultPlan]
) -> list[FaultPlan]:
    """Place the choices as far apart as lets the most of them fit."""
    best: list[FaultPlan] = []
    widest = int((end - begin) / max(len(choices), 1))
    for apart_s in range(widest, -1, -1):
        found = _place(choices, begin, end, before, apart_s)
        best = max(best, found, key=len)
        if len(best) == len(choices):
            break
    return best


def _place(
    choices: Sequence[_Choice],
    begin: float,
    end: float,
    before: Sequence[FaultPlan],
    apart_s: float,
) -> list[FaultPlan]:
    placed: list[FaultPlan] = []
    for choice in choices:
        soonest = placed[-1].at_s + apart_s if placed else begin
        latest = end - choice.lasts_s
        candidates = [
            (plan.at_s + preference * WORTH_WAITING_S, preference, plan)
            for preference, project in enumerate(choice.projects)
            if (plan := _first_fit(choice, project, soonest, latest, [*before, *placed]))
        ]
        if candidates:
            placed.append(min(candidates)[2])
    return placed


def _first_fit(
    choice: _Choice, project: str, soonest: float, latest: float, others: Sequence[FaultPlan]
) -> FaultPlan | None:
    at_s = _on_grid(soonest + choice.pause_s)
    while at_s <= latest:
        plan = FaultPlan(kind=choice.kind, project=project, at_s=at_s, ends_after_s=choice.lasts_s)
        if _fits(plan, others):
            return plan
        at_s += STEP_S
    return None


def _fits(plan: FaultPlan, others: Iterable[FaultPlan]) -> bool:
    return not any(
        _together(plan, other)
        and (
            plan.touches & other.touches
            or (plan.kind == other.kind == "crash")
            or _would_hide(plan, other)
            or _would_hide(other, plan)
        )
        for other in others
    )


def _together(one: FaultPlan, other: FaultPlan) -> bool:
    apart = max(one.at_s, other.at_s) >= min(one.ends_at_s, other.ends_at_s) + SETTLE_S
    return not apart


def _would_hide(crash: FaultPlan, other: FaultPlan) -> bool:
    """A hub says nothing about a project while one that it depends on is down."""
    return crash.kind == "crash" and not other.touches.isdisjoint(dependents_of(crash.project))


def _on_grid(value: float) -> float:
    return math.ceil(value / STEP_S) * STEP_S
