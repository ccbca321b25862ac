"""What follows from what the rules say, in the transaction that keeps the decision."""

from typing import Final, assert_never

from data import attempts, events, incidents, rule_decisions
from data.attempts import Attempt
from data.circumstances import Circumstances
from data.database import Connection
from data.rule_decisions import NewDecision
from flows.healing import healing_events, new_attempts, telling
from flows.healing.candidates import Candidate
from flows.healing.deciding import Decision, details
from flows.healing.means import AT_ONCE, LATER, RARELY, SOON, Look, Means, until
from flows.healing.reasons import words_for
from flows.healing.wording import action_in_words
from rules.policy import Verdict

WORTH_WAKING: Final = frozenset({"brake", "breaker_open", "rate_limited", "blast_radius"})
"""What holds an action for so long, or for such a reason, that a person should know."""


async def follow(
    connection: Connection, means: Means, around: Circumstances, decision: Decision, *, is_new: bool
) -> Look:
    """Do what the decision asks for; `is_new` is whether it is another one than the last."""
    match decision.verdict.step:
        case "suppress" | "await_approval":
            return await _leave_alone(connection, means, around, decision)
        case "denied":
            return await _deny(connection, means, around, decision, is_new=is_new)
        case "hold":
            return await _hold(connection, means, around, decision, is_new=is_new)
        case "escalate":
            return await _give_to_a_person(connection, means, around, decision)
        case "wait":
            await telling.keep_current(connection, means, around, decision)
            return _wait(means, around, decision)
        case "request_approval" | "run":
            return await _request(connection, means, around, decision)
        case _:
            assert_never(decision.verdict.step)


async def _leave_alone(
    connection: Connection, means: Means, around: Circumstances, decision: Decision
) -> Look:
    """Wait; who is being told of what a rule now suppresses is told no further."""
    if decision.verdict.step == "suppress":
        await telling.pause(connection, means, around, decision)
    return LATER


async def hold_back(means: Means, around: Circumstances, attempt: Attempt, reason: str) -> Look:
    """Keep an approved attempt until what is in its way is gone; tell it once, and a person."""
    verdict = Verdict(step="hold", reason=reason, rule=attempt.rule)
    decision = Decision(verdict=verdict, rules_version=attempt.rules_version or "")
    held = f"is held: {words_for('hold', reason)}"
    async with means.database.transaction() as connection:
        if await rule_decisions.record(connection, recorded(means, around, decision)):
            event = healing_events.of_attempt(
                means.hub, "ActionHeld", attempt, held, severity="warning"
            )
            await events.append(connection, [event])
        await telling.escalate(connection, means, around, decision)
    return LATER


def recorded(means: Means, around: Circumstances, decision: Decision) -> NewDecision:
    """Return a decision as it is kept."""
    chosen = decision.candidate
    return NewDecision(
        hub=means.hub,
        incident_id=around.incident.id,
        project=around.incident.project,
        kind=around.incident.kind,
        step=decision.verdict.step,
        reason=decision.verdict.reason,
        rule=decision.verdict.rule,
        rules_version=decision.rules_version,
        action=chosen.rule.then.action if chosen else None,
        target=chosen.target if chosen else None,
        details=details(decision),
    )


async def _deny(
    connection: Connection, means: Means, around: Circumstances, decision: Decision, *, is_new: bool
) -> Look:
    chosen = decision.candidate
    if is_new and chosen is not None and decision.verdict.reason == "autonomy_suggest":
        await events.append(connection, [telling.suggested(means.hub, around, chosen)])
    await telling.escalate(connection, means, around, decision)
    return RARELY


async def _hold(
    connection: Connection, means: Means, around: Circumstances, decision: Decision, *, is_new: bool
) -> Look:
    if is_new:
        await events.append(connection, [telling.held(means.hub, around, decision)])
    if decision.verdict.reason in WORTH_WAKING:
        await telling.escalate(connection, means, around, decision)
    free_at = decision.candidate.free_at if decision.candidate else None
    return until(free_at, around.now) or LATER


async def _give_to_a_person(
    connection: Connection, means: Means, around: Circumstances, decision: Decision
) -> Look:
    """Take back what did not help, where that can be done; then wake somebody.

    While the brake keeps it from being taken back, somebody is woken first.
    """
    if not around.brake.stopped and await _request_undo(connection, means, around):
        return AT_ONCE
    await telling.escalate(connection, means, around, decision)
    return RARELY


async def _request_undo(
    connection: Connection, means: Means, around: Circumstances
) -> Attempt | None:
    last = next((one for one in reversed(around.attempts) if _asks_for_undo(one)), None)
    if last is None or any(one.purpose == "undo" for one in around.attempts):
        return None
    owner = means.fleet.specs.get(last.project)
    spec = owner.actions.get(str(last.plan["undo"])) if owner else None
    if spec is None:
        return None
    return await attempts.request(connection, new_attempts.to_undo(last, spec, hub=means.hub))


def _asks_for_undo(attempt: Attempt) -> bool:
    return (
        attempt.purpose == "heal"
        and attempt.state == "failed"
        and attempt.executing_at is not None
        and not attempt.dry_run
        and bool(attempt.plan.get("undo"))
    )


def _wait(means: Means, around: Circumstances, decision: Decision) -> Look:
    if decision.verdict.reason == "gathering_facts":
        return until(around.incident.opened_at + means.settings.grace, around.now)
    free_at = decision.candidate.free_at if decision.candidate else None
    return until(free_at, around.now) or SOON


async def _request(
    connection: Connection, means: Means, around: Circumstances, decision: Decision
) -> Look:
    """Ask for the next attempt; where it is for several incidents, leave the others to it."""
    chosen = decision.candidate
    assert chosen is not None
    await telling.keep_current(connection, means, around, decision)
    new = new_attempts.by_rule(around, decision, means.settings, hub=means.hub)
    attempt = await attempts.request(connection, new)
    if attempt is None:  # another incident asked for the same a moment ago
        return SOON
    if new.project != around.incident.project:
        await _link_others(connection, means, around, chosen)
    if attempt.state == "pending":
        await telling.ask_for_approval(connection, means, around, decision, attempt)
    return AT_ONCE


async def _link_others(
    connection: Connection, means: Means, around: Circumstances, chosen: Candidate
) -> None:
    """Link the open incidents that made the rule match, and those like them, to this one."""
    involved = {
        fact.fields.get("project") for fact in chosen.match.facts if fact.type == "incident"
    }
    others = [
        other.id
        for other in around.incidents
        if other.resolved_at is None and other.project in involved
    ]
    linked = await incidents.suppress_by_incident(connection, around.incident.id, others)
    told = [
        healing_events.of_incident(
            means.hub,
            "IncidentSuppressed",
            around.incident,
            f"incident {one.id} of {one.project} is left to incident {one.cause_id}:"
            f" {action_in_words(chosen)}",
        )
        for one in linked
    ]
    await events.append(connection, told)
