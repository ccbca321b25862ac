"""The files that a new user finds: valid, complete, and true about the defaults."""

import re
from collections.abc import Mapping
from typing import Any

from config.hub_file import HubSettings, read_hub
from config.projects_file import ProjectSpec, read_projects, read_projects_text
from config.settings import ROOT
from config.validation import Origin, examine
from config.yaml_source import Document, parse_yaml

PROJECTS = ROOT / "config" / "projects.yaml"
HUB = ROOT / "config" / "hub.yaml"


def _uncommented() -> str:
    """Return the projects file with every example in force."""
    text = PROJECTS.read_text(encoding="utf-8").replace("projects: []", "projects:")
    head, examples = text.split("projects:\n", 1)
    defaults = re.sub(r"(?m)^  # ", "  ", head)
    return f"{defaults}projects:\n" + re.sub(r"(?m)^  # (?!\w+ .*[.:]$)", "  ", examples)


def test_the_projects_file_is_valid_and_watches_nothing_yet() -> None:
    assert read_projects(PROJECTS) == ()


def test_the_examples_are_valid_once_uncommented() -> None:
    specs = read_projects_text(_uncommented(), "projects.yaml")
    assert [spec.name for spec in specs] == ["email-blast", "chatbot", "social-media"]


def test_the_defaults_that_are_shown_are_the_built_in_ones() -> None:
    email_blast, *_ = read_projects_text(_uncommented(), "projects.yaml")
    assert email_blast == ProjectSpec(name=email_blast.name, url=email_blast.url)


def test_the_hub_file_shows_every_setting_with_its_default() -> None:
    """What has no default may be shown in a comment."""
    assert read_hub(HUB) == HubSettings()
    built_in = _settings(HubSettings().model_dump(mode="json"))
    in_force = _settings(parse_yaml(HUB.read_text(encoding="utf-8"), "hub.yaml").value)
    assert {name for name, value in built_in.items() if value is not None} <= in_force.keys()
    assert built_in.keys() <= _settings(_hub_uncommented().value).keys()


def test_what_the_hub_file_shows_in_comments_is_valid() -> None:
    shown = _hub_uncommented()
    hub, faults = examine(HubSettings, shown.value, Origin(shown))
    assert (faults, hub and list(hub.contacts)) == ([], ["oncall"])


def _hub_uncommented() -> Document:
    text = HUB.read_text(encoding="utf-8").replace("contacts: {}", "contacts:")
    return parse_yaml(re.sub(r"(?m)^  # ", "  ", text), "hub.yaml")


def _settings(section: Mapping[str, Any], at: str = "") -> dict[str, Any]:
    """Return every setting by its path; a section or a list without entries has no value."""
    found: dict[str, Any] = {}
    for name, value in section.items():
        found[at + name] = None if value in ({}, []) else value
        if isinstance(value, dict):
            found |= _settings(value, f"{at}{name}.")
    return found
