"""One incident, taken as far as it goes now: decide, act, verify, retry, undo, escalate."""

from datetime import timedelta
from typing import Final

from data import circumstances, rule_decisions
from data.circumstances import Circumstances
from flows.healing import following, under_way, wrapping_up
from flows.healing.deciding import decide
from flows.healing.means import AT_ONCE, SOON, Log, Look, Means
from flows.healing.wording import reason_in_words
from rules.engine import Engine

MOST_STEPS: Final = 20
HORIZON: Final = timedelta(hours=1)
"""How far back incidents, deploys and attempts are looked at, even if no rule asks for them."""


async def advance(means: Means, incident_id: int, log: Log) -> Look:
    """Take an incident's steps until it has to wait, and return for how long.

    Nothing is kept between two steps but what is in the record, so any hub can take the next.
    """
    for _ in range(MOST_STEPS):
        around = await _look(means, incident_id)
        if around is None:
            return None
        look = await _step(means, around, log)
        if look != AT_ONCE:
            return look
    return SOON


async def _look(means: Means, incident_id: int) -> Circumstances | None:
    settings = means.settings
    breaker, rate = settings.breaker, settings.rate_limit
    async with means.database.connection() as connection:
        incident = await circumstances.incident_now(connection, incident_id)
        if incident is None:
            return None
        return await circumstances.load(
            connection,
            incident,
            horizon=max(HORIZON, _longest_window(means.engine())),
            acts_within=breaker.within + breaker.cooldown + rate.within + timedelta(days=1),
            blast_within=settings.blast_radius.within,
            neighbours=means.fleet.upstream.get(incident.project or "", ()),
        )


async def _step(means: Means, around: Circumstances, log: Log) -> Look:
    if around.incident.state == "resolved":
        return await wrapping_up.advance(means, around, log)
    attempt = next((one for one in around.attempts if not one.is_finished), None)
    if attempt is not None:
        return await under_way.go_on(means, around, attempt, log)
    decision = decide(around, means.fleet, means.engine(), means.settings)
    async with means.database.transaction() as connection:
        is_new = await rule_decisions.record(
            connection, following.recorded(means, around, decision)
        )
        look = await following.follow(connection, means, around, decision, is_new=is_new)
    if is_new:
        log(f"{around.incident.title}: {decision.verdict.step}, {reason_in_words(decision)}")
    return look


def _longest_window(engine: Engine) -> timedelta:
    """Return how far back any rule looks for facts."""
    return max(
        (join.within for rule in engine.book.rules for join in rule.joins), default=timedelta()
    )
