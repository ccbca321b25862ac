"""What was measured of each project: facts, and how strongly each says that it suffers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Final, Literal

from data.analytics.limits import kind_of
from data.records import HealthStatus
from reasoning.causes.deviation import STANDS_OUT, deviations
from reasoning.causes.templates import surges
from reasoning.causes.window import IncidentWindow, StatusChange

FactKind = Literal["metric", "status", "log", "deploy", "configuration"]

_MOST_DEVIATIONS: Final = 1e6
_OF_ANOTHER_KIND: Final = 0.3
_OF_ANY_KIND: Final = 0.5
_OF_LOGS: Final = 0.3
_OF_STATUS: Final[dict[HealthStatus, float]] = {
    "down": 0.95,
    "degraded": 0.6,
    "unknown": 0.3,
    "healthy": 0.0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One measured fact of a project.

    `name` is the metric, the status, the template of log lines or the version; `before` and
    `during` are in the metric's unit or counts of lines. `deviations` is signed, in usual
    deviations. `strength`, 0 to 1, is how much it says that the project suffers. `at` is when it
    began, as exactly as it was sampled: each `every_s` seconds.
    """

    project: str
    kind: FactKind
    name: str
    strength: float
    at: datetime | None = None
    before: float | None = None
    during: float | None = None
    deviations: float | None = None
    every_s: float = 0.0


def measure(window: IncidentWindow) -> dict[str, tuple[Measured, ...]]:
    """Return what says that a project suffers, by project, the strongest first."""
    found: dict[str, list[Measured]] = {}
    for fact in chain(_metrics(window), _statuses(window), _logs(window)):
        found.setdefault(fact.project, []).append(fact)
    return {name: tuple(sorted(facts, key=_strongest)) for name, facts in found.items()}


def suffering(facts: Sequence[Measured]) -> float:
    """Return how surely a project suffers, 0 to 1: facts add up as independent ones would."""
    sound = 1.0
    for fact in facts:
        sound *= 1.0 - fact.strength
    return 1.0 - sound


def _strongest(fact: Measured) -> tuple[float, str, str]:
    return (-fact.strength, fact.kind, fact.name)


def _metrics(window: IncidentWindow) -> Iterator[Measured]:
    about = window.metric and kind_of(window.metric)
    frame = deviations(window.metrics, window.begins_at, window.ends_at, 2 * window.lead)
    for project, metric, z, before, during, every_s, onset_at in frame.iter_rows():
        weight = _weight(about, kind_of(metric))
        yield Measured(
            project=project,
            kind="metric",
            name=metric,
            strength=weight * _sureness(abs(z)),
            at=onset_at,
            before=before,
            during=during,
            deviations=z,
            every_s=every_s,
        )


def _weight(about: str | None, kind: str) -> float:
    if about is None:
        return _OF_ANY_KIND
    return 1.0 if kind == about else _OF_ANOTHER_KIND


def _statuses(window: IncidentWindow) -> Iterator[Measured]:
    """The worst status since the window began; what had ended by then does not count."""
    worst: dict[str, Measured] = {}
    for change, until in _spells(window):
        strength = _OF_STATUS[change.status]
        if change.at > window.ends_at or until <= window.begins_at or not strength:
            continue
        fact = Measured(
            project=change.project,
            kind="status",
            name=change.status,
            strength=strength,
            at=change.at,
        )
        if change.project not in worst or strength > worst[change.project].strength:
            worst[change.project] = fact
    yield from worst.values()


def _spells(window: IncidentWindow) -> Iterator[tuple[StatusChange, datetime]]:
    ends: dict[str, datetime] = {}
    for change in sorted(window.statuses, key=lambda one: (one.at, one.status), reverse=True):
        yield change, ends.get(change.project, window.ends_at)
        ends[change.project] = change.at


def _logs(window: IncidentWindow) -> Iterator[Measured]:
    """The template that surged most, of each project."""
    frame = surges(window.logs, window.begins_at, window.ends_at)
    for row in frame.unique("project", keep="first", maintain_order=True).iter_rows(named=True):
        yield Measured(
            project=row["project"],
            kind="log",
            name=row["template"],
            strength=_OF_LOGS * _sureness(row["z"]),
            at=row["first_at"],
            before=row["expected"],
            during=float(row["during"]),
            deviations=row["z"],
        )


def _sureness(z: float) -> float:
    """Return 0 to 1, a half where something just stands out."""
    square = min(z, _MOST_DEVIATIONS) ** 2
    return square / (square + STANDS_OUT**2)
