"""An attempt that is under way, taken to its next state when the time has come."""

from datetime import datetime, timedelta
from typing import assert_never

from config.durations import format_duration
from config.project_spec import ProjectSpec
from data import attempts, events
from data.attempts import Attempt, Refusal
from data.circumstances import Circumstances
from data.events import EventKind
from data.records import Severity
from data.states import AttemptState
from flows.healing import following, healing_events
from flows.healing.means import AT_ONCE, LATER, SOON, Log, Look, Means, until
from flows.healing.new_attempts import verify_within


async def go_on(means: Means, around: Circumstances, attempt: Attempt, log: Log) -> Look:
    """Take an attempt in an open incident to its next state.

    What a hub began and did not finish is called unknown and verified; nobody repeats it.
    """
    match attempt.state:
        case "pending":
            return await _await_approval(means, around, attempt)
        case "approved":
            return await _begin_or_hold(means, around, attempt, log)
        case "executing":
            return await give_up_on(means, attempt, around.now)
        case "verifying" | "unknown":
            return await _verify(means, around, attempt, log)
        case "completed" | "failed" | "rejected" | "expired" | "rolled_back":
            raise AssertionError(f"attempt {attempt.id} is finished")
        case _:
            assert_never(attempt.state)


async def _await_approval(means: Means, around: Circumstances, attempt: Attempt) -> Look:
    if around.incident.is_explained:
        return await end(means, attempt, "expired", "another incident explains this one")
    if attempt.expires_at is not None and attempt.expires_at <= around.now:
        return await end(means, attempt, "expired", "nobody decided in time")
    return until(attempt.expires_at, around.now)


async def _verify(means: Means, around: Circumstances, attempt: Attempt, log: Log) -> Look:
    """Wait for the incident to be over; one that is not in time was not helped."""
    if attempt.verify_until is not None and around.now < attempt.verify_until:
        return attempt.verify_until - around.now
    log(f"{attempt.action} {attempt.project} did not help: {around.incident.title}")
    within = format_duration(verify_within(attempt, means.settings))
    return await end(means, attempt, "failed", f"not well within {within}")


async def _begin_or_hold(means: Means, around: Circumstances, attempt: Attempt, log: Log) -> Look:
    if around.incident.is_explained:
        return await end(means, attempt, "expired", "another incident explains this one")
    begun = await begin(means, attempt, around.now, log)
    if begun in following.WORTH_WAKING and isinstance(begun, str):
        return await following.hold_back(means, around, attempt, begun)
    return look_after(begun)


async def begin(means: Means, attempt: Attempt, now: datetime, log: Log) -> Look | Refusal:
    """Carry out what is approved, unless it waited too long; return what is in the way, if so.

    A hub on a dry run leaves what is meant in earnest to others.
    """
    owner = means.fleet.specs.get(attempt.project)
    spec = owner.actions.get(attempt.action) if owner else None
    if owner is None or spec is None:
        return await end(means, attempt, "expired", "the project does not declare the action")
    if attempt.purpose == "heal" and not _may_still(attempt, owner):
        return await end(means, attempt, "expired", f"the autonomy is {owner.autonomy} by now")
    if _is_stale(means, attempt, now):
        return await end(means, attempt, "expired", "it waited too long to begin")
    if means.settings.dry_run and not attempt.dry_run:
        return LATER
    done = await means.execution.carry_out(attempt, spec, means.fleet)
    if isinstance(done, Attempt):
        log(f"{done.action} {done.project}: {done.state}: {done.outcome}")
        await note_taken_back(means, done)
        return AT_ONCE
    return done


def _may_still(attempt: Attempt, owner: ProjectSpec) -> bool:
    """Tell whether the autonomy still lets a rule act, which was lowered perhaps."""
    return owner.autonomy == "auto" or (
        owner.autonomy == "approve" and attempt.decided_by is not None
    )


def _is_stale(means: Means, attempt: Attempt, now: datetime) -> bool:
    """Tell whether it waited too long; what takes something back is never too late."""
    waited = now - (attempt.decided_at or attempt.requested_at)
    takes_back = attempt.purpose in {"undo", "release"}
    return not takes_back and waited > means.settings.approval_expires


def look_after(begun: Look | Refusal) -> Look:
    """Return in how long to look again after an attempt was to begin."""
    match begun:
        case None | timedelta():
            return begun
        case "gone":
            return AT_ONCE
        case "busy":
            return SOON
        case "brake" | "rate_limited" | "blast_radius":
            return LATER
        case _:
            assert_never(begun)


async def give_up_on(means: Means, attempt: Attempt, now: datetime) -> Look:
    """The hub that began it is gone or stands still: nobody knows whether it had its effect.

    It may be under way still, so it is not judged before the time of its request is over.
    """
    why = f"{attempt.hub} did not say what came of it"
    left = (attempt.executing_until or now) - now
    async with means.database.transaction() as connection:
        moved = await attempts.move(
            connection,
            attempt.id,
            "executing",
            "unknown",
            actor=means.hub,
            reason=why,
            outcome=why,
            verify_within=max(left, verify_within(attempt, means.settings)),
        )
        if moved is not None:
            told = f"may or may not have had its effect: {why}"
            event = healing_events.of_attempt(
                means.hub, "ActionExecuted", moved, told, severity="warning"
            )
            await events.append(connection, [event])
    return AT_ONCE


async def end(
    means: Means,
    attempt: Attempt,
    state: AttemptState,
    why: str,
    *,
    kind: EventKind = "ActionFailed",
    severity: Severity = "warning",
) -> Look:
    """End an attempt where it still is in the state that was seen; say why in the log."""
    async with means.database.transaction() as connection:
        moved = await attempts.move(
            connection,
            attempt.id,
            attempt.state,
            state,
            actor=means.hub,
            reason=why,
            outcome=f"{attempt.outcome}; {why}" if attempt.outcome else why,
        )
        if moved is not None:
            event = healing_events.of_attempt(
                means.hub, kind, moved, f"{state}: {why}", severity=severity
            )
            await events.append(connection, [event])
    return AT_ONCE


async def note_taken_back(means: Means, done: Attempt) -> None:
    """Note that an undo or a release took back what it was for."""
    if done.state != "completed" or done.undoes is None:
        return
    original = await attempts.find(means.database, done.undoes)
    if "rolled_back" not in attempts.TRANSITIONS[original.state]:
        return
    async with means.database.transaction() as connection:
        undone = await attempts.move(
            connection,
            original.id,
            original.state,
            "rolled_back",
            actor=means.hub,
            reason=f"taken back by {done.action}",
        )
        if undone is not None:
            told = f"was taken back by {done.action}"
            event = healing_events.of_attempt(means.hub, "ActionUndone", undone, told)
            await events.append(connection, [event])
