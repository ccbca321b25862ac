"""Tell people: a person is needed, an approval is asked for, an action is suggested."""

from datetime import timedelta

from actions.notification.levels import whom_to_ask
from config.escalation import EscalationStep
from config.healing import HealingSettings
from data import escalations, events, notices
from data.attempts import Attempt
from data.circumstances import Circumstances
from data.database import Connection
from data.events import NewEvent
from data.notices import NewNotice
from flows.healing import healing_events
from flows.healing.candidates import Candidate
from flows.healing.deciding import Decision
from flows.healing.means import Means
from flows.healing.wording import (
    action_in_words,
    approval_body,
    escalation_body,
    reason_in_words,
)


async def escalate(
    connection: Connection, means: Means, circumstances: Circumstances, decision: Decision
) -> bool:
    """Begin the chain of people for an incident; False when it has begun already."""
    incident = circumstances.incident
    why = reason_in_words(decision)
    began = await escalations.start(
        connection,
        incident.id,
        _chain(decision, means.settings),
        subject=incident.title,
        body=escalation_body(circumstances, decision, means.fleet),
        severity=incident.severity,
        at=circumstances.now,
    )
    if began:
        told = f"incident {incident.id} needs a person: {why}: {incident.title}"
        await events.append(
            connection,
            [
                healing_events.of_incident(
                    means.hub,
                    "Escalated",
                    incident,
                    told,
                    severity="critical" if incident.severity == "critical" else "warning",
                    details=_said(decision),
                )
            ],
        )
    return began


async def keep_current(
    connection: Connection, means: Means, circumstances: Circumstances, decision: Decision
) -> None:
    """Let the chain of an incident, if one runs, say what is so now."""
    await escalations.refresh(
        connection,
        circumstances.incident.id,
        subject=circumstances.incident.title,
        body=escalation_body(circumstances, decision, means.fleet),
    )


async def pause(
    connection: Connection, means: Means, circumstances: Circumstances, decision: Decision
) -> bool:
    """Stop the chain of an incident of which nobody is to be told for now; False when none runs.

    It begins anew when a person is needed afterwards.
    """
    return await escalations.withdraw(
        connection,
        circumstances.incident.id,
        by=means.hub,
        at=circumstances.now,
        why=f"not told: {reason_in_words(decision)}",
    )


async def ask_for_approval(
    connection: Connection,
    means: Means,
    circumstances: Circumstances,
    decision: Decision,
    attempt: Attempt,
) -> None:
    """Ask the first in the chain whether an attempt may be made, the others after their time.

    Where the chain is empty, that nobody can be asked is news.
    """
    candidate = decision.candidate
    assert candidate is not None
    subject = f"Approve {attempt.action} of {attempt.project}?"
    body = approval_body(circumstances, candidate, attempt)
    event = healing_events.of_attempt(
        means.hub, "ApprovalRequested", attempt, f"waits for approval ({candidate.rule.name})"
    )
    steps = whom_to_ask(_chain(decision, means.settings), circumstances.incident.severity)
    asked: list[tuple[str | None, timedelta]] = [
        (step.notify, step.after - steps[0].after) for step in steps
    ]
    await notices.add(
        connection,
        [
            NewNotice(
                contact=contact,
                purpose="approval",
                severity=circumstances.incident.severity,
                subject=subject,
                body=body,
                incident_id=circumstances.incident.id,
                attempt_id=attempt.id,
                project=attempt.project,
                due_at=circumstances.now + after,
            )
            for contact, after in asked or [(None, timedelta())]
        ],
    )
    await events.append(connection, [event])


def suggested(hub: str, circumstances: Circumstances, candidate: Candidate) -> NewEvent:
    """Return the event of an action that the hub would take if it were allowed to."""
    incident = circumstances.incident
    return healing_events.of_incident(
        hub,
        "ActionSuggested",
        incident,
        f"suggested: {action_in_words(candidate)}; to do it: opslore actions run"
        f" {candidate.target} {candidate.rule.then.action} --incident {incident.id} --reason TEXT",
        details={"rule": candidate.rule.name, "action": candidate.rule.then.action},
    )


def held(hub: str, circumstances: Circumstances, decision: Decision) -> NewEvent:
    """Return the event of an action that something is in the way of."""
    candidate = decision.candidate
    assert candidate is not None
    return healing_events.of_incident(
        hub,
        "ActionHeld",
        circumstances.incident,
        f"held: {action_in_words(candidate)}: {reason_in_words(decision)}",
        severity="warning",
        details=_said(decision),
    )


def _said(decision: Decision) -> dict[str, object]:
    return {
        "reason": decision.verdict.reason,
        "rule": decision.verdict.rule,
        "rules_version": decision.rules_version,
    }


def _chain(decision: Decision, settings: HealingSettings) -> tuple[EscalationStep, ...]:
    own = decision.candidate.rule.escalate if decision.candidate else ()
    return own or settings.escalate
