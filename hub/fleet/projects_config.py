"""The projects file with which a hub watches the demo fleet."""

from collections.abc import Mapping
from typing import Any

import yaml

from hub.fleet.members import MEMBERS, TANGLED, Member

DEFAULTS: Mapping[str, Any] = {
    "autonomy": "auto",
    "intervals": {"health": "2s", "metrics": "2s", "details": "10s"},
    "trend": {"window": "1m", "min_samples": 6, "horizon": "2m"},
}
# action -> (risk, the action that undoes it)
ACTIONS: Mapping[str, tuple[str, str | None]] = {
    "restart": ("disruptive", None),
    "pause": ("reversible", "resume"),
    "resume": ("reversible", "pause"),
    "clear_cache": ("reversible", None),
    "rollback": ("disruptive", None),
}


def projects_config(platform_url: str, project_urls: Mapping[str, str]) -> str:
    """Return the YAML text of a projects file for the fleet at these addresses.

    Each project declares the platform's actions as HTTP requests.
    """
    projects = [
        _project(member, platform_url, project_urls[member.name])
        for member in MEMBERS
        if member.name in project_urls
    ]
    text = yaml.safe_dump({"defaults": dict(DEFAULTS), "projects": projects}, sort_keys=False)
    return f"# The demo fleet. Written anew at every start.\n{text}"


def _project(member: Member, platform_url: str, url: str) -> dict[str, Any]:
    project: dict[str, Any] = {"name": member.name, "url": url, "tags": list(member.tags)}
    if member.depends_on:
        project["depends_on"] = list(member.depends_on)
    actions = dict(ACTIONS)
    if member.name == TANGLED:
        project["thresholds"] = {"cache_hit_ratio": {"below": 0.5, "for": "2 of 3"}}
        actions["revert_config"] = ("reversible", None)
    project["actions"] = {
        name: {
            "driver": "http",
            "method": "POST",
            "url": f"{platform_url}/projects/{member.name}/{name}",
            "headers": {"Prefer": "wait"},  # the answer comes when it is done
            "risk": risk,
            "undo": undo,
        }
        for name, (risk, undo) in actions.items()
    }
    return project
