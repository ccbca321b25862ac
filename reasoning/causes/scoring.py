"""How well each project explains an incident, from what was measured and the dependency graph.

The score of a project is the geometric mean of how surely it suffers itself and of how well that
explains the rest, which is the product of

- coverage, the share of all suffering in the neighbourhood that is in the project or in those that
  depend on it: the one cause that explains most is the likeliest, as in Sherlock (Bahl et al.,
  2007), and of a chain of sufferers the deepest, as in the traversal baselines of "The PetShop
  Dataset" (Hardt et al., 2023);
- reach, how much of it comes through to the incident's project by those between that suffer too:
  anomalous paths as in MonitorRank (Kim et al., 2013), without the random walk;
- a preference for what more projects depend on, and against what began after its effect.

`benchmarks/causes.py` sets it beside plain baselines and beside a conditional deviation given those
upstream, after CIRCA (Li et al., 2022). What learns the causal graph too, as RCD (Ikram et al.,
2022) or "Root Cause Analysis in Microservices Using Neural Granger Causal Discovery" (Lin et al.,
2024), is left out: here the graph is declared, and an incident has few samples.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from reasoning.causes.measured import Measured, suffering
from reasoning.causes.neighbourhood import dependents_of, explained_by, reach
from reasoning.causes.window import Change, IncidentWindow

_COVERAGE_POWER: Final = 1.5
"""Above 1 it keeps the noise of many sound projects from outweighing few that suffer."""
_PER_DEPENDENT: Final = 0.2
_MOST_DEPENDENTS: Final = 3
_BEGAN_LATER: Final = 0.5
_CHANGE_WEIGHT: Final = 0.6
_CHANGE_ALONE: Final = 0.3
"""What a change counts for where its project shows nothing."""
_CHANGE_HALVES_S: Final = 900.0
_CHANGE_FORGOTTEN: Final = timedelta(hours=1)
_CHANGE_SEEN_LATE: Final = timedelta(minutes=2)
_ONSET_COUNTS: Final = 0.3

Facts = Mapping[str, Sequence[Measured]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A project that may be the cause; `explains` are it and those that depend on it.

    `score` and `suffering`, how surely something is wrong with it, are 0 to 1.
    """

    project: str
    score: float
    suffering: float
    facts: tuple[Measured, ...]
    change: Change | None
    explains: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Around:
    """The neighbourhood of an incident, with what passes from each project to the incident's."""

    window: IncidentWindow
    facts: Facts
    sure: Mapping[str, float]
    dependents: Mapping[str, Sequence[str]]
    passed: Mapping[str, float]
    explains: Mapping[str, frozenset[str]]
    symptom_at: datetime | None


def candidates(window: IncidentWindow, facts: Facts) -> list[Candidate]:
    """Return the incident's project and those upstream of it that show anything, unordered."""
    around = _around(window, facts)
    everything = _sum(around.sure, frozenset().union(*around.explains.values()))
    found = (_candidate(name, around, everything) for name in around.passed)
    return [one for one in found if one.score > 0]


def _around(window: IncidentWindow, facts: Facts) -> _Around:
    sure = {name: suffering(of) for name, of in facts.items()}
    dependents = dependents_of(window.depends_on)
    passed = reach(window.project, window.depends_on, sure)
    return _Around(
        window=window,
        facts=facts,
        sure=sure,
        dependents=dependents,
        passed=passed,
        explains={name: explained_by(name, dependents) for name in passed},
        symptom_at=_onset(facts.get(window.project, ())),
    )


def _candidate(name: str, around: _Around, everything: float) -> Candidate:
    own, sure = tuple(around.facts.get(name, ())), around.sure.get(name, 0.0)
    coverage = _sum(around.sure, around.explains[name]) / everything if everything else 0.0
    likely = _preference(around.dependents.get(name, ())) * _timing(own, around.symptom_at)
    score = math.sqrt(sure * coverage * around.passed[name] * likely)
    began_at = _onset(own) or around.window.opened_at
    change = _change_before(began_at, name, around.window.changes)
    if change:
        weight = _CHANGE_WEIGHT * max(sure, _CHANGE_ALONE) * around.passed[name]
        score = _raised(score, weight, began_at - change.at)
    return Candidate(
        project=name,
        score=score,
        suffering=sure,
        facts=own,
        change=change,
        explains=around.explains[name],
    )


def _sum(sure: Mapping[str, float], names: frozenset[str]) -> float:
    return sum(math.pow(sure.get(name, 0.0), _COVERAGE_POWER) for name in sorted(names))


def _preference(dependents: Sequence[str]) -> float:
    most = 1 + _PER_DEPENDENT * _MOST_DEPENDENTS
    return (1 + _PER_DEPENDENT * min(len(dependents), _MOST_DEPENDENTS)) / most


def _timing(own: Sequence[Measured], symptom_at: datetime | None) -> float:
    """Halve what began later than the incident's project, beyond what sampling can tell."""
    began_at = _onset(own)
    if began_at is None or symptom_at is None:
        return 1.0
    tolerance = timedelta(seconds=2 * max((fact.every_s for fact in own), default=0.0))
    return _BEGAN_LATER if began_at > symptom_at + tolerance else 1.0


def _onset(facts: Sequence[Measured]) -> datetime | None:
    """Return when the first of the facts that tell something began."""
    return min((one.at for one in facts if one.at and one.strength >= _ONSET_COUNTS), default=None)


def _change_before(began_at: datetime, project: str, changes: Sequence[Change]) -> Change | None:
    """Return the newest change within an hour before; it may have been seen a little late."""
    latest = began_at + _CHANGE_SEEN_LATE
    near = [
        change
        for change in changes
        if change.project == project and latest - _CHANGE_FORGOTTEN <= change.at <= latest
    ]
    return max(near, key=lambda one: (one.at, one.kind, one.version or ""), default=None)


def _raised(score: float, weight: float, lead: timedelta) -> float:
    """Add a change as independent evidence that is worth half after each quarter of an hour."""
    lead_s = max(lead.total_seconds(), 0.0)
    weight *= math.pow(0.5, lead_s / _CHANGE_HALVES_S)
    return 1 - (1 - score) * (1 - weight)
