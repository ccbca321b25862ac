"""What is said to people about an incident that is worked on, in plain sentences."""

from collections.abc import Iterable
from datetime import datetime

from actions.notification.instants import written
from actions.notification.plain_text import one_line
from data.attempts import Attempt
from data.circumstances import Circumstances
from flows.healing.candidates import Candidate
from flows.healing.deciding import Decision
from flows.healing.fleet import Fleet
from flows.healing.reasons import words_for


def reason_in_words(decision: Decision) -> str:
    """Return why the hub does what it does, or why it does nothing."""
    candidate, reason = decision.candidate, decision.verdict.reason
    words = words_for(decision.verdict.step, reason)
    if candidate is None:
        return words
    if candidate.rule.then.reason and reason == "matched":
        return candidate.rule.then.reason
    if candidate.problem and reason in {"not_declared", "parameters_invalid"}:
        return f"{words} ({candidate.problem})"
    return words


def action_in_words(candidate: Candidate) -> str:
    """Return what would be done, to whom and by which rule."""
    return f"{candidate.rule.then.action} {candidate.target} (rule {candidate.rule.name})"


def escalation_body(circumstances: Circumstances, decision: Decision, fleet: Fleet) -> str:
    """Return what a person needs who is woken: what, why, what was tried, what next.

    Nothing in it grows old: since when and for how long is said when it is sent.
    """
    incident = circumstances.incident
    lines = [
        one_line(incident.title),
        _what_now(decision),
        *(f"Tried: {line}" for line in tried_lines(circumstances.attempts)),
        *_beside(circumstances),
        *_possible(circumstances, fleet),
        f"Look: opslore incidents show {incident.id}",
    ]
    return "\n".join(lines)


def _what_now(decision: Decision) -> str:
    step, candidate = decision.verdict.step, decision.candidate
    if candidate and step == "run":
        return f"The hub acts: {action_in_words(candidate)}."
    if candidate and step in {"request_approval", "await_approval"}:
        return f"The hub asks for approval: {action_in_words(candidate)}."
    if step == "wait":
        return f"The hub waits: {reason_in_words(decision)}."
    return f"A person is needed because {reason_in_words(decision)}."


def tried_lines(attempts: Iterable[Attempt]) -> list[str]:
    """Return one line per attempt that was begun or refused."""
    return [
        f"{attempt.action} {attempt.project}, attempt {attempt.number}"
        f"{_at(attempt.executing_at)}: {attempt.state}"
        + (f", {one_line(attempt.outcome)}" if attempt.outcome else "")
        for attempt in attempts
    ]


def approval_body(circumstances: Circumstances, candidate: Candidate, attempt: Attempt) -> str:
    """Return what a person needs who is asked: what, why, the risk, the way back."""
    spec = candidate.spec
    undo = spec.undo if spec and spec.undo else "none"
    times = candidate.retry.max_attempts
    until = written(attempt.expires_at) if attempt.expires_at else "it is over"
    return "\n".join(
        [
            one_line(circumstances.incident.title),
            f"Asked for: {attempt.action} {attempt.project}, up to {times}"
            f" {'time' if times == 1 else 'times'}; risk: {attempt.risk}; undo: {undo}.",
            f"Why: rule {candidate.rule.name}"
            + (f": {candidate.rule.description}" if candidate.rule.description else "."),
            f"Decide until {until}:",
            f"  opslore approvals approve {str(attempt.id)[:8]} --reason TEXT",
            f"  opslore approvals reject {str(attempt.id)[:8]} --reason TEXT",
        ]
    )


def _at(instant: datetime | None) -> str:
    return f" at {written(instant)}" if instant else ""


def _beside(circumstances: Circumstances) -> list[str]:
    """Name the other open incidents of the project and its last deploy, which may be the cause."""
    own = circumstances.incident
    others = [
        f"Also open: {one_line(other.title)}"
        for other in circumstances.incidents
        if other.id != own.id and other.project == own.project and other.resolved_at is None
    ]
    deploys = [deploy for deploy in circumstances.deploys if deploy.project == own.project]
    if deploys:
        last = max(deploys, key=lambda deploy: deploy.at)
        others.append(f"Deployed at {written(last.at)}: {last.from_version} → {last.version}")
    return others


def _possible(circumstances: Circumstances, fleet: Fleet) -> list[str]:
    """Return what can be done; while the brake is pulled, that is to release it."""
    if circumstances.brake.stopped:
        return ["Act: opslore resume-acting --reason TEXT"]
    project, incident_id = circumstances.incident.project, circumstances.incident.id
    spec = fleet.specs.get(project or "")
    if spec is None or not spec.actions:
        return []
    names = ", ".join(sorted(spec.actions))
    return [
        f"Declared for {project}: {names}",
        f"Act: opslore actions run {project} ACTION --incident {incident_id} --reason TEXT",
    ]
