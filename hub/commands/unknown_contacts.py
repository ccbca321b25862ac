"""Who is to be told, and is nobody the hub file knows: faults that no file shows alone."""

from collections.abc import Sequence
from pathlib import Path

from config import action_relations
from config.action_relations import Misfit
from config.contacts import unknown_contacts
from config.errors import Fault
from config.hub_file import HubSettings
from config.projects_file import ProjectSpec
from config.source_text import read_text
from config.validation import Origin
from config.yaml_source import Document, parse_yaml


def unknown_in_hub(path: Path, hub: HubSettings) -> list[Fault]:
    """Return a fault for each step of the hub file's chain that tells nobody known."""
    wrong = unknown_contacts(hub.healing.escalate, hub.contacts)
    if not wrong:
        return []
    document = parse_yaml(read_text(path), str(path))
    return [
        document.fault(("healing", "escalate", position, "notify"), problem)
        for position, problem in wrong
    ]


def unknown_in_projects(path: Path, specs: Sequence[ProjectSpec], hub: HubSettings) -> list[Fault]:
    """Return a fault for each action that tells nobody known; `specs` are those of the file."""
    wrong = [
        (index, misfit)
        for index, spec in enumerate(specs)
        for misfit in action_relations.unknown_contacts(spec.actions, hub.contacts)
    ]
    if not wrong:
        return []
    document = parse_yaml(read_text(path), str(path))
    return list(dict.fromkeys(_fault(document, index, misfit) for index, misfit in wrong))


def _fault(document: Document, index: int, misfit: Misfit) -> Fault:
    """Tell it where it was written: in the project, or once in the defaults."""
    steps = ("actions", *misfit.at)
    origins = Origin(document, ("projects", index)), Origin(document, ("defaults",))
    origin = max(origins, key=lambda origin: origin.reach(steps))
    return document.fault((*origin.at, *steps), misfit.problem)
