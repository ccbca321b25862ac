"""An incident that is over: its attempts are judged, what was put on hold goes on again."""

from typing import Final

from data import attempts, notices
from data.attempts import Attempt
from data.circumstances import Circumstances, IncidentNow
from data.notices import NewNotice
from flows import incident_events
from flows.healing import new_attempts, under_way
from flows.healing.means import AT_ONCE, LATER, Log, Look, Means, until

MOST_RELEASES: Final = 3
ENDED_OTHERWISE: Final = frozenset({"no longer watched", "went down"})
"""How an incident ends without its project having recovered."""


async def advance(means: Means, around: Circumstances, log: Log) -> Look:
    """Take a resolved incident to its end.

    1. What was carried out has helped; what was only asked for is not needed any more.
    2. A rule that wants its action ended, once the project was calm for a while, gets that.
    """
    attempt = next((one for one in around.attempts if not one.is_finished), None)
    if attempt is not None:
        return await _finish(means, around, attempt, log)
    return await _release(means, around, log)


async def _finish(means: Means, around: Circumstances, attempt: Attempt, log: Log) -> Look:
    incident = around.incident
    if attempt.state == "executing":
        return await under_way.give_up_on(means, attempt, around.now)
    if attempt.state in {"verifying", "unknown"}:
        if why := _not_helped(attempt, incident):
            return await under_way.end(means, attempt, "failed", why)
        began = attempt.executing_at or attempt.requested_at
        after = incident_events.lasted(began, incident.resolved_at or around.now)
        why = f"{incident.resolution or 'over'} {after} after it began"
        log(f"{attempt.action} {attempt.project} helped: {why}")
        return await under_way.end(
            means, attempt, "completed", why, kind="ActionVerified", severity="info"
        )
    if attempt.purpose == "release":
        begun = await under_way.begin(means, attempt, around.now, log)
        return under_way.look_after(begun)
    return await under_way.end(means, attempt, "expired", "the incident is over", severity="info")


def _not_helped(attempt: Attempt, incident: IncidentNow) -> str | None:
    """Return why an attempt did not help though the incident is over; None when it did."""
    if attempt.purpose in {"undo", "release"}:
        return "nobody knows whether it had its effect"
    if incident.resolution in ENDED_OTHERWISE:
        return f"nobody saw it help: {incident.resolution}"
    return None


async def _release(means: Means, around: Circumstances, log: Log) -> Look:
    """End what was done, as a pause, when it is time; not while the same trouble is back."""
    held = next((one for one in reversed(around.attempts) if _holds(one)), None)
    after = new_attempts.release_after(held) if held else None
    if held is None or after is None or around.incident.resolved_at is None:
        return None
    tries = [one for one in around.attempts if one.undoes == held.id]
    if (done := next((one for one in tries if one.state == "completed"), None)) is not None:
        await under_way.note_taken_back(means, done)
        return AT_ONCE
    if len(tries) >= MOST_RELEASES:
        await _tell_not_released(means, around, held, f"failed {MOST_RELEASES} times")
        return None
    if (due_at := around.incident.resolved_at + after) > around.now:
        return until(due_at, around.now)
    if _is_back(around):
        return LATER
    return await _request_release(means, around, held)


async def _request_release(means: Means, around: Circumstances, held: Attempt) -> Look:
    spec = means.fleet.specs.get(held.project)
    release = spec.actions.get(held.plan["release"]["action"]) if spec else None
    if release is None:
        await _tell_not_released(means, around, held, "is not declared any more")
        return None
    async with means.database.transaction() as connection:
        new = new_attempts.to_release(held, release, hub=means.hub)
        attempt = await attempts.request(connection, new)
    return AT_ONCE if attempt else LATER


def _holds(attempt: Attempt) -> bool:
    """Tell whether an attempt did something that is still so, and that is to be ended."""
    return (
        attempt.purpose == "heal"
        and attempt.state == "completed"
        and not attempt.dry_run
        and bool(attempt.plan.get("release"))
    )


def _is_back(around: Circumstances) -> bool:
    own = around.incident
    return any(
        other.project == own.project and other.kind == own.kind and other.resolved_at is None
        for other in around.incidents
    )


async def _tell_not_released(means: Means, around: Circumstances, held: Attempt, why: str) -> None:
    action = held.plan["release"]["action"]
    said = NewNotice(
        contact=next((step.notify for step in means.settings.escalate), None),
        purpose="action",
        severity="warning",
        subject=f"{held.project} is still in {held.action}: {action} {why}",
        body=f"opslore actions run {held.project} {action} --reason TEXT",
        incident_id=around.incident.id,
        attempt_id=held.id,
        project=held.project,
        due_at=around.now,
    )
    async with means.database.transaction() as connection:
        await notices.add(connection, [said])
