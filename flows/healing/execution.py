"""Carry out an approved attempt: marked before the effect, recorded after it, once."""

import asyncio
import logging
import time

from actions.call import Call, Outcome
from actions.carrier import Carrier
from actions.safety.blast_radius import most_projects
from config.action_spec import ActionSpec
from config.healing import HealingSettings
from data import attempts, events
from data.attempts import Allowance, Attempt, Refusal
from data.database import Database, DatabaseUnavailable
from data.states import AttemptState
from flows.healing import healing_events
from flows.healing.fleet import Fleet
from flows.healing.new_attempts import verify_within

logger = logging.getLogger(__name__)

STALE_AFTER_S = 5.0
RECORD_AGAIN_S = 0.5
RECORD_WITHIN_S = 60.0


class Execution:
    """Begins attempts under the limits of all hubs together, and lets the driver do the rest."""

    def __init__(
        self, hub: str, database: Database, carrier: Carrier, settings: HealingSettings
    ) -> None:
        self._hub = hub
        self._database = database
        self._carrier = carrier
        self._settings = settings

    async def carry_out(
        self, attempt: Attempt, spec: ActionSpec, fleet: Fleet
    ) -> Attempt | Refusal:
        """Carry out an attempt and return it as it then is, or why it did not begin.

        1. Mark it as being executed, with the event, before anything leaves this hub.
        2. Let the driver act, with the attempt's id as idempotency key.
        3. Record what came of it. If this hub dies between 1 and 3, whoever finds the attempt
           calls it unknown and looks whether it helped; nobody repeats it.
        """
        before = time.monotonic()
        async with self._database.transaction() as connection:
            begun = await attempts.begin(
                connection,
                attempt.id,
                self._hub,
                timeout=spec.timeout,
                allowance=self._allowance(attempt, fleet),
            )
            if not isinstance(begun, Attempt):
                return begun
            requested = healing_events.of_attempt(
                self._hub, "ActionRequested", begun, "is requested", at=begun.executing_at
            )
            await events.append(connection, [requested])
        if time.monotonic() - before > STALE_AFTER_S:
            outcome = Outcome(
                result="failed", detail="this hub stood still before the request was sent"
            )
        else:
            outcome = await self._act(begun, spec)
        return await self._record(begun, outcome)

    def _allowance(self, attempt: Attempt, fleet: Fleet) -> Allowance | None:
        if attempt.purpose != "heal":
            return None
        settings = self._settings
        return Allowance(
            actions=settings.rate_limit.actions,
            actions_within=settings.rate_limit.within,
            projects=most_projects(len(fleet), settings.blast_radius),
            projects_within=settings.blast_radius.within,
        )

    async def _act(self, attempt: Attempt, spec: ActionSpec) -> Outcome:
        call = Call(
            attempt_id=attempt.id,
            project=attempt.project,
            action=attempt.action,
            spec=spec,
            parameters=attempt.parameters,
            actor=attempt.decided_by or attempt.requested_by,
            reason=attempt.reason,
        )
        if attempt.dry_run:
            return Outcome(result="done", detail=f"would have been: {self._carrier.describe(call)}")
        try:
            return await self._carrier.carry_out(call)
        except asyncio.CancelledError:
            cut_short = Outcome(
                result="unknown", detail="the hub was stopped before the answer came"
            )
            await asyncio.shield(self._record(attempt, cut_short))
            raise

    async def _record(self, attempt: Attempt, outcome: Outcome) -> Attempt:
        """Record what came of an attempt, waiting for a Postgres that is away."""
        deadline = time.monotonic() + RECORD_WITHIN_S
        while True:
            try:
                return await self._record_once(attempt, outcome)
            except DatabaseUnavailable:
                if time.monotonic() > deadline:
                    raise
                logger.warning("what came of %s is not recorded yet", attempt.id)
                await asyncio.sleep(RECORD_AGAIN_S)

    async def _record_once(self, attempt: Attempt, outcome: Outcome) -> Attempt:
        to_state = _state_after(attempt, outcome)
        async with self._database.transaction() as connection:
            moved = await attempts.move(
                connection,
                attempt.id,
                "executing",
                to_state,
                actor=self._hub,
                reason=outcome.detail,
                outcome=outcome.detail,
                permanent=outcome.permanent,
                verify_within=verify_within(attempt, self._settings),
            )
            if moved is None:  # another hub held this one for dead
                return attempt
            failed = to_state == "failed"
            event = healing_events.of_attempt(
                self._hub,
                "ActionFailed" if failed else "ActionExecuted",
                moved,
                _told(to_state, outcome),
                severity="info" if to_state in {"verifying", "completed"} else "warning",
            )
            await events.append(connection, [event])
        return moved


def _state_after(attempt: Attempt, outcome: Outcome) -> AttemptState:
    match outcome.result:
        case "failed":
            return "failed"
        case "unknown":
            return "unknown"
        case "done":
            helps = attempt.purpose in {"heal", "by_hand"} and attempt.incident_id is not None
            return "verifying" if helps and not attempt.dry_run else "completed"


def _told(state: AttemptState, outcome: Outcome) -> str:
    if state == "unknown":
        return f"may or may not have had its effect: {outcome.detail}"
    return f"{'failed' if state == 'failed' else 'was carried out'}: {outcome.detail}"
