"""Notice a deploy from what a project says about itself."""

from collections.abc import Mapping
from typing import Any

from data.events import NewEvent
from data.records import StatusReport


def differs(known: Mapping[str, Any], report: StatusReport) -> bool:
    """Return whether a report says anything new but the time that has passed."""
    new = report.as_reported()
    return any(
        known.get(key) != new[key] for key in ("version", "started_at", "deployed_at", "state")
    )


def event(hub: str, agent: str, known: Mapping[str, Any], report: StatusReport) -> NewEvent | None:
    """Return the event of a deploy: another version, or another time of deployment, than before.

    A project that says it was deployed when it was started has merely been restarted.
    """
    told = report.deployed_at if report.deployed_at != report.started_at else None
    if not known or (report.version is None and told is None):
        return None
    before, after = known.get("version"), report.version
    moved = told is not None and known.get("deployed_at") != told.isoformat()
    if before == after and not moved:
        return None
    return NewEvent(
        occurred_at=report.deployed_at or report.recorded_at,
        hub=hub,
        agent=agent,
        kind="ProjectDeployed",
        severity="info",
        project=report.project,
        message=f"{report.project} was deployed: {before or 'unknown version'} → {after}",
        details={"from_version": before, "to_version": after},
    )
