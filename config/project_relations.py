"""What only all projects of a file together can tell: names, and who depends on whom."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from config.dependencies import find_cycles
from config.errors import Fault
from config.quoting import plain, quoted
from config.sentences import suggestion
from config.yaml_source import Document

Given = Mapping[int, Mapping[str, Any]]
"""The projects by their place in the file, each with the defaults laid under, not yet valid."""

_MOST_SUGGESTIONS: Final = 50
"""To find the nearest name takes long among thousands."""


def relation_faults(document: Document, given: Given) -> list[Fault]:
    """Return names that are taken, and dependencies that do not exist or go in a circle."""
    index_of: dict[str, int] = {}
    faults: list[Fault] = []
    for index, name in _names(given):
        first = index_of.setdefault(name, index)
        if first != index:
            line = document.line(("projects", first, "name"))
            here = ("projects", index, "name")
            faults.append(document.fault(here, f"is taken by the project in line {line}"))
    return [*faults, *_unknown(document, given, index_of), *_circles(document, given, index_of)]


def _unknown(document: Document, given: Given, index_of: Mapping[str, int]) -> Iterator[Fault]:
    unknown = [
        (("projects", index, "depends_on", position), other)
        for index, project in given.items()
        for position, other in _depends_on(project)
        if other not in index_of
    ]
    for count, (here, other) in enumerate(unknown):
        hint = suggestion(other, index_of) if count < _MOST_SUGGESTIONS else ""
        yield document.fault(here, f"must be a project of this file, got {quoted(other)}{hint}")


def _circles(document: Document, given: Given, index_of: Mapping[str, int]) -> Iterator[Fault]:
    depends_on = {
        name: [other for _, other in _depends_on(given[index])] for name, index in index_of.items()
    }
    for cycle in find_cycles(depends_on):
        here = ("projects", index_of[cycle[0]], "depends_on")
        yield document.fault(here, f"must not go in a circle: {' -> '.join(map(plain, cycle))}")


def _names(given: Given) -> Iterator[tuple[int, str]]:
    for index, project in given.items():
        if isinstance(name := project.get("name"), str):
            yield index, name


def _depends_on(project: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    others = project.get("depends_on")
    for position, other in enumerate(others if isinstance(others, list) else ()):
        if isinstance(other, str):
            yield position, other
