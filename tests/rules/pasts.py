"""Small pasts and rule books for replays; everything is said in seconds after START."""

from datetime import UTC, datetime, timedelta
from typing import Any

from config.healing import HealingSettings
from config.projects_file import validate_project
from data.past import (
    Past,
    PastAttempt,
    PastDecision,
    PastDeploy,
    PastIncident,
    PastProject,
)
from rules.backtest.course import Course
from rules.backtest.replay import Replay, replay
from rules.engine import Engine
from rules.language.version import version_of
from rules.rule import Rule, RuleBook, Then, When

START = datetime(2026, 3, 4, 12, tzinfo=UTC)
"""A Wednesday."""

RESTART = {"driver": "http", "url": "http://127.0.0.1:1/restart"}


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def rule(name: str = "restart-it", *, kind: str = "down", **given: Any) -> Rule:
    """Return a rule that restarts, or one with a `then` of its own."""
    then = given.pop("then", Then(step="act", action="restart", **given.pop("act", {})))
    when = given.pop("when", When(kinds=(kind,)))
    return Rule(name=name, when=when, then=then, **given)


def book(*rules: Rule) -> RuleBook:
    in_order = tuple(sorted(rules, key=lambda one: (one.priority, one.name)))
    return RuleBook(rules=in_order, version=version_of(in_order))


def project(name: str, **spec: Any) -> PastProject:
    """Return a project that may be restarted, unless it is said otherwise."""
    given = {"autonomy": "auto", "actions": {"restart": RESTART}, **spec}
    return PastProject(
        name=name,
        spec=validate_project({"name": name, "url": "http://127.0.0.1:1", **given}),
        version=None,
        watched=True,
    )


def incident(
    number: int,
    name: str = "a",
    kind: str = "down",
    *,
    opened: float = 0,
    ended: float | None = None,
    recovered: bool = True,
    explained: float | None = None,
    explained_until: float | None = None,
) -> PastIncident:
    return PastIncident(
        id=number,
        project=name,
        kind=kind,
        severity="critical",
        title=f"{name} is {kind}",
        opened_at=at(opened),
        resolved_at=None if ended is None else at(ended),
        recovered=recovered and ended is not None,
        explained_at=None if explained is None else at(explained),
        explained_until=None if explained_until is None else at(explained_until),
    )


def attempt(
    incident_id: int | None,
    name: str = "a",
    action: str = "restart",
    *,
    began: float | None = 0,
    took: float = 30,
    requested: float | None = None,
    decided: float | None = None,
    **given: Any,
) -> PastAttempt:
    asked = began if requested is None else requested
    fields: dict[str, Any] = {
        "purpose": "heal",
        "number": 1,
        "rule": "restart-it",
        "rules_version": "old",
        "dry_run": False,
        "succeeded": None if began is None else True,
        "state": "completed",
        "requested_by": "hub",
        "permanent": False,
        **given,
    }
    return PastAttempt(
        incident_id=incident_id,
        project=name,
        action=action,
        requested_at=at(asked or 0),
        decided_at=None if decided is None else at(decided),
        executing_at=None if began is None else at(began),
        finished_at=None if began is None else at(began + took),
        **fields,
    )


def decision(
    incident_id: int, step: str, reason: str, *, version: str, decided: float = 0, **given: Any
) -> PastDecision:
    fields: dict[str, Any] = {"rule": None, "action": None, **given}
    return PastDecision(
        decided_at=at(decided),
        incident_id=incident_id,
        step=step,
        reason=reason,
        rules_version=version,
        **fields,
    )


def deploy(name: str, *, deployed: float) -> PastDeploy:
    return PastDeploy(project=name, at=at(deployed), from_version="1", version="2")


def past(*incidents: PastIncident, since: float = 0, until: float = 100_000, **given: Any) -> Past:
    """Return a past of these incidents; a project is known unless it is given."""
    names = sorted({one.project for one in incidents})
    fields = {"projects": tuple(map(project, names)), **given}
    in_order = tuple(sorted(incidents, key=lambda one: (one.opened_at, one.id)))
    return Past(since=at(since), until=at(until), incidents=in_order, **fields)


def replayed(then: Past, rules: RuleBook, **settings: Any) -> Replay:
    """Replay a past without a grace, with limits that are in nobody's way unless given."""
    wide = {
        "grace": "0s",
        "cooldown": "0s",
        "rate_limit": {"actions": 1000},
        "blast_radius": {"projects": 1000, "percent": 100},
    }
    engine = Engine(rules)
    try:
        return replay(then, engine, HealingSettings.model_validate({**wide, **settings}))
    finally:
        engine.close()


def told(course: Course) -> list[tuple[float, str, str]]:
    """Return when which step was taken, and why."""
    return [
        ((ruling.at - START).total_seconds(), ruling.step, ruling.reason)
        for ruling in course.rulings
    ]


def tried(course: Course) -> list[tuple[float, float, bool]]:
    """Return when each attempt began and ended, and whether it helped."""
    return [
        (
            (one.at - START).total_seconds(),
            (one.finished_at - START).total_seconds(),
            one.succeeded,
        )
        for one in course.tries
    ]
