"""The projects file: `defaults:` for all, and `projects:`, one item each."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from config.errors import ConfigError, Fault
from config.layers import project_over
from config.metric_sources import MetricSource
from config.project_relations import Given, relation_faults
from config.project_spec import (
    HealthPolicy,
    Intervals,
    Paths,
    ProjectSpec,
    Timeouts,
    TrendPolicy,
)
from config.section import Section
from config.source_text import read_text
from config.thresholds import Threshold
from config.validation import Origin, examine
from config.yaml_source import Document, parse_yaml

__all__ = [
    "HealthPolicy",
    "Intervals",
    "MetricSource",
    "Paths",
    "ProjectSpec",
    "Threshold",
    "Timeouts",
    "TrendPolicy",
    "read_projects",
    "read_projects_text",
    "validate_project",
]

_OF_ONE_PROJECT: Final = ("name", "url", "depends_on")


class _Layout(Section):
    defaults: dict[str, Any] = Field(default_factory=dict)
    projects: list[dict[str, Any]]


def read_projects(path: Path) -> tuple[ProjectSpec, ...]:
    """Return the projects of a file, in its order.

    Raises:
        ConfigError: with every fault of the file, by line.
    """
    return read_projects_text(read_text(path), str(path))


def read_projects_text(text: str, file: str) -> tuple[ProjectSpec, ...]:
    """Return the projects of a text; `file` is what faults call it.

    1. The text is read as YAML, and its layout examined.
    2. The defaults are examined by themselves, then each project with the defaults laid under.
    3. What only the whole can tell: names that are taken, dependencies that do not exist or go
       in a circle.

    Raises:
        ConfigError: with every fault of the text, by line.
    """
    document = parse_yaml(text, file)
    _, faults = examine(_Layout, document.value, Origin(document))
    faults += document.faults
    faults += _default_faults(document)
    given = _given(document)
    specs = []
    for index, project in given.items():
        origins = Origin(document, ("projects", index)), Origin(document, ("defaults",))
        spec, found = examine(ProjectSpec, project, *origins)
        faults += found
        specs.append(spec)
    faults += relation_faults(document, given)
    if faults:
        raise ConfigError(_in_order(faults))
    return tuple(spec for spec in specs if spec is not None)


def validate_project(mapping: Mapping[str, Any], file: str = "command line") -> ProjectSpec:
    """Return one project that comes without a file; what it depends on is not looked up.

    Raises:
        ConfigError: with every fault; their line is 0.
    """
    document = Document(file=file, value=dict(mapping), lines={}, written={})
    spec, faults = examine(ProjectSpec, document.value, Origin(document))
    if spec is None:
        raise ConfigError(faults)
    return spec


def _defaults(document: Document) -> dict[str, Any]:
    """Return those of the defaults that may be shared."""
    defaults = document.value.get("defaults")
    given = defaults if isinstance(defaults, dict) else {}
    return {key: value for key, value in given.items() if key not in _OF_ONE_PROJECT}


def _given(document: Document) -> Given:
    defaults, projects = _defaults(document), document.value.get("projects")
    return {
        index: project_over(defaults, project)
        for index, project in enumerate(projects if isinstance(projects, list) else ())
        if isinstance(project, dict)
    }


def _default_faults(document: Document) -> list[Fault]:
    stand_in = {"name": "defaults", "url": "http://defaults", **_defaults(document)}
    _, faults = examine(ProjectSpec, stand_in, Origin(document, ("defaults",)))
    alone = [("defaults", field) for field in _OF_ONE_PROJECT]
    return faults + [
        document.fault(steps, "must be in each project by itself")
        for steps in alone
        if document.reach(steps) == len(steps)
    ]


def _in_order(faults: Iterable[Fault]) -> list[Fault]:
    """Return each fault once, by line: one in the defaults is found again in each project."""
    return sorted(dict.fromkeys(faults), key=lambda fault: fault.line)
