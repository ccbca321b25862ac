"""From a candidate, an undo or a release to the attempt that is asked for."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal
from uuid import uuid4

from config.action_spec import ActionSpec, risk_of
from config.healing import HealingSettings
from data.attempts import Attempt, NewAttempt
from data.circumstances import Circumstances
from flows.healing.candidates import Candidate
from flows.healing.deciding import Decision


def by_rule(
    circumstances: Circumstances, decision: Decision, settings: HealingSettings, *, hub: str
) -> NewAttempt:
    """Return the next attempt of the rule that decided; pending where it must be approved."""
    candidate = decision.candidate
    assert candidate is not None
    assert candidate.target is not None
    assert candidate.risk is not None
    waits = decision.verdict.step == "request_approval"
    state: Literal["pending", "approved"] = "pending" if waits else "approved"
    return NewAttempt(
        id=uuid4(),
        incident_id=circumstances.incident.id,
        project=candidate.target,
        action=candidate.rule.then.action or "",
        parameters=candidate.parameters,
        risk=candidate.risk,
        purpose="heal",
        number=_next_number(circumstances),
        rule=candidate.rule.name,
        rules_version=decision.rules_version,
        plan=_plan(candidate),
        dry_run=settings.dry_run,
        state=state,
        requested_by=hub,
        reason=circumstances.incident.title,
        expires_after=settings.approval_expires if waits else None,
    )


def to_undo(attempt: Attempt, spec: ActionSpec, *, hub: str) -> NewAttempt:
    """Return the attempt that takes back what a failed one did; `spec` is that of its undo."""
    assert attempt.incident_id is not None
    return _following(
        attempt,
        str(attempt.plan["undo"]),
        spec,
        purpose="undo",
        hub=hub,
        reason=f"{attempt.action} did not help",
    )


def to_release(attempt: Attempt, spec: ActionSpec, *, hub: str) -> NewAttempt:
    """Return the attempt that ends what a rule did, now that the project is calm."""
    return _following(
        attempt,
        str(attempt.plan["release"]["action"]),
        spec,
        purpose="release",
        hub=hub,
        reason=f"calm after {attempt.action}",
    )


def verify_within(attempt: Attempt, settings: HealingSettings) -> timedelta:
    """Return how long an attempt has to help: what its rule said, else what the hub file says."""
    seconds = attempt.plan.get("verify_within_s")
    return settings.verify_within if seconds is None else timedelta(seconds=seconds)


def release_after(attempt: Attempt) -> timedelta | None:
    """Return how long a project must be calm before its release; None where there is none."""
    release: Mapping[str, Any] | None = attempt.plan.get("release")
    return timedelta(seconds=release["after_s"]) if release else None


def _following(
    attempt: Attempt,
    action: str,
    spec: ActionSpec,
    *,
    purpose: Literal["undo", "release"],
    hub: str,
    reason: str,
) -> NewAttempt:
    return NewAttempt(
        id=uuid4(),
        incident_id=attempt.incident_id,
        project=attempt.project,
        action=action,
        risk=risk_of(action, spec),
        purpose=purpose,
        undoes=attempt.id,
        rule=attempt.rule,
        rules_version=attempt.rules_version,
        state="approved",
        requested_by=hub,
        reason=reason,
    )


def _plan(candidate: Candidate) -> dict[str, Any]:
    """Return what is kept of the rule's wishes, so that an edit does not change what began."""
    then, spec = candidate.rule.then, candidate.spec
    release = then.release
    return {
        "verify_within_s": candidate.verify_within.total_seconds(),
        "undo": spec.undo if spec and then.undo else None,
        "release": (
            {"action": release.action, "after_s": release.after.total_seconds()}
            if release
            else None
        ),
    }


def _next_number(circumstances: Circumstances) -> int:
    return 1 + max(
        (one.number for one in circumstances.attempts if one.purpose == "heal"), default=0
    )
