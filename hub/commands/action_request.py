"""An action that a person asks for: whether it may be asked for, and what became of it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from actions.parameters import check
from config.action_spec import ActionSpec, Risk, parameters_of, risk_of
from config.errors import OpsloreError
from data import agents, attempts, brake, events, incidents, projects
from data.attempts import Attempt, NewAttempt
from data.database import Connection, Database
from flows.healing import healing_events
from hub.commands.attempts_table import short_id
from hub.commands.brake import stopped_in_words

LEAST_SILENCE: Final = timedelta(seconds=15)
"""A hub is held for gone after this, or after three heartbeats where these are slower."""

BEGINS_WITHIN: Final = timedelta(seconds=10)
"""How long a hub that is busy is given; after that the request is taken back."""
RECORDED_WITHIN: Final = timedelta(seconds=5)
LOOK_EVERY_S: Final = 0.1


class ActionRefused(OpsloreError):
    """The action is not asked for."""


class ActionUndeclared(OpsloreError):
    """The project does not declare this action."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person wants to be done, as it was said."""

    project: str
    action: str
    given: Mapping[str, str]
    incident_id: int | None
    by: str
    reason: str
    dry_run: bool


async def declared(database: Database, wish: Wish) -> ActionSpec:
    """Return how the project declares the action.

    Raises:
        ProjectUnknown: no project has this name.
        ActionUndeclared: it has no such action; the message names those it has.
    """
    project = await projects.find(database, wish.project)
    spec = project.spec.actions.get(wish.action)
    if spec is None:
        names = ", ".join(project.spec.actions) or "none"
        raise ActionUndeclared(
            f"{wish.project} does not declare {wish.action}; what it declares: {names}"
        )
    return spec


async def ask(database: Database, wish: Wish, spec: ActionSpec, *, heartbeat: timedelta) -> Attempt:
    """Record the attempt for a running hub to carry out, with the event that says who asked.

    `heartbeat` is how often hubs tell that they live.

    Raises:
        ActionRefused: no hub is there, the brake is pulled, the incident is over, or another
            attempt is under way; the message says which.
        ParameterError: the parameters are not those that the action takes.
        IncidentUnknown: there is none of this number.
    """
    new = _attempt(wish, spec)
    await _must_be_possible(database, wish, max(LEAST_SILENCE, 3 * heartbeat))
    async with database.transaction() as connection:
        held = await brake.read(connection)
        if held.stopped:
            raise ActionRefused(stopped_in_words(held))
        attempt = await attempts.request(connection, new)
        if attempt is None:
            raise ActionRefused(await _in_the_way(connection, database, wish))
        told = f"was asked for by {wish.by}: {wish.reason}"
        event = healing_events.of_attempt(wish.by, "ApprovalDecided", attempt, told)
        await events.append(connection, [event])
    return attempt


async def outcome(database: Database, attempt: Attempt, spec: ActionSpec) -> Attempt:
    """Wait until the attempt was carried out, and return it as it then is.

    One that no hub begins within 10 s is taken back, so that it does not happen later, unasked.
    """
    loop = asyncio.get_running_loop()
    asked_at = loop.time()
    patience = BEGINS_WITHIN + spec.timeout + RECORDED_WITHIN
    while True:
        now = await attempts.find(database, attempt.id)
        waited = timedelta(seconds=loop.time() - asked_at)
        if now.state == "approved" and waited > BEGINS_WITHIN:
            if taken_back := await _take_back(database, now):
                return taken_back
        elif now.state not in ("approved", "executing") or waited > patience:
            return now
        await asyncio.sleep(LOOK_EVERY_S)


def read_parameters(pairs: Sequence[str]) -> dict[str, str]:
    """Return what `--param name=value` gives, the last of a name.

    Raises:
        ValueError: one has no `=` or no name.
    """
    given = {}
    for pair in pairs:
        name, found, value = pair.partition("=")
        if not found or not name.strip():
            raise ValueError(f"must be name=value, got {pair!r}")
        given[name.strip()] = value
    return given


def typed(action: str, spec: ActionSpec, given: Mapping[str, str]) -> dict[str, Any]:
    """Return the texts of a command line as the types that the action's parameters have.

    What cannot be read as its type stays text, and the check says what is wrong.
    """
    kinds = {name: parameter.type for name, parameter in parameters_of(action, spec).items()}
    return {name: _as_type(kinds.get(name, "text"), text) for name, text in given.items()}


def _as_type(kind: str, text: str) -> Any:
    try:
        match kind:
            case "integer":
                return int(text)
            case "number":
                return float(text)
            case "boolean":
                return {"true": True, "yes": True, "false": False, "no": False}[text.lower()]
            case _:
                return text
    except (ValueError, KeyError):
        return text


def _attempt(wish: Wish, spec: ActionSpec) -> NewAttempt:
    risk: Risk = risk_of(wish.action, spec)
    return NewAttempt(
        id=uuid4(),
        incident_id=wish.incident_id,
        project=wish.project,
        action=wish.action,
        parameters=check(wish.action, spec, typed(wish.action, spec, wish.given)),
        risk=risk,
        purpose="by_hand",
        state="approved",
        requested_by=wish.by,
        reason=wish.reason,
        dry_run=wish.dry_run,
    )


async def _must_be_possible(database: Database, wish: Wish, silence: timedelta) -> None:
    alive = [
        row
        for row in await agents.list_all(database)
        if row.agent == healing_events.AGENT
        and row.state != "stopped"
        and row.silent_s < silence.total_seconds()
    ]
    if not alive:
        raise ActionRefused("no hub is running that could carry it out; `opslore up` starts one")
    if wish.incident_id is not None:
        incident = await incidents.find(database, wish.incident_id)
        if incident.state == "resolved":
            raise ActionRefused(f"incident {incident.id} is over")


async def _in_the_way(connection: Connection, database: Database, wish: Wish) -> str:
    """Return which attempt has to end before this one can be asked for."""
    found = await attempts.list_newest(database, project=wish.project)
    if wish.incident_id is not None:
        found += await attempts.of_incident(connection, wish.incident_id)
    for other in found:
        same = (other.project, other.action) == (wish.project, wish.action)
        if not other.is_finished and (same or other.incident_id == wish.incident_id):
            return (
                f"{other.action} {other.project} is under way: attempt {short_id(other)} of"
                f" {other.requested_by} is {other.state}"
            )
    return "another attempt was under way a moment ago; try again"


async def _take_back(database: Database, attempt: Attempt) -> Attempt | None:
    why = "no hub began it in time"
    async with database.transaction() as connection:
        moved = await attempts.move(
            connection,
            attempt.id,
            "approved",
            "expired",
            actor=attempt.requested_by,
            reason=why,
            outcome=why,
        )
        if moved is not None:
            event = healing_events.of_attempt(
                attempt.requested_by,
                "ActionFailed",
                moved,
                f"was taken back: {why}",
                severity="warning",
            )
            await events.append(connection, [event])
    return moved
