"""Who is beside an incident's project in the dependency graph."""

from collections.abc import Mapping, Sequence
from typing import Final

from rules.projection import upstream_of

_UNSEEN: Final = 0.2
"""How much of a trouble passes through a project that shows nothing of it."""

Graph = Mapping[str, Sequence[str]]


def dependents_of(graph: Graph) -> dict[str, tuple[str, ...]]:
    """Return the direct dependents of every project that has any."""
    found: dict[str, list[str]] = {}
    for name in sorted(graph):
        for other in dict.fromkeys(graph[name]):
            if other != name:
                found.setdefault(other, []).append(name)
    return {name: tuple(others) for name, others in found.items()}


def reach(project: str, graph: Graph, suffering: Mapping[str, float]) -> dict[str, float]:
    """Return how much of a trouble in each project upstream comes through to `project`, 0 to 1.

    It is all of it for the project itself and for what it calls, and on a longer way the product
    over those between, each of which passes on what it suffers itself; of several ways the best.
    """
    best = {project: 1.0}
    waiting = [project]
    while waiting:
        name = waiting.pop(0)
        passed = 1.0 if name == project else _UNSEEN + (1 - _UNSEEN) * suffering.get(name, 0.0)
        for other in graph.get(name, ()):
            if best[name] * passed > best.get(other, 0.0):
                best[other] = best[name] * passed
                waiting.append(other)
    return best


def explained_by(project: str, dependents: Graph) -> frozenset[str]:
    """Return the project and all that depend on it, also through others."""
    return frozenset((project, *upstream_of(project, dependents)))
