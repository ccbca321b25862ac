"""The files that a new user finds: valid, complete, and true about the defaults."""

import re

from config.hub_file import HubSettings, read_hub
from config.projects_file import ProjectSpec, read_projects, read_projects_text
from config.settings import ROOT
from config.yaml_source import parse_yaml

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
    assert read_hub(HUB) == HubSettings()
    shown = parse_yaml(HUB.read_text(encoding="utf-8"), "hub.yaml").value
    built_in = HubSettings().model_dump(mode="json")
    assert {key: sorted(value) for key, value in shown.items() if isinstance(value, dict)} == {
        key: sorted(value) for key, value in built_in.items() if isinstance(value, dict)
    }
