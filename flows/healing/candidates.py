"""Where each rule that matched stands: on whom it would act, how, and what is in its way."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from actions.parameters import ParameterError, check
from actions.safety.backoff import next_attempt_at
from actions.safety.blast_radius import room
from actions.safety.breaker import Finished, breaker_state
from actions.safety.rate_limit import free_at
from config.action_spec import ActionSpec, Risk, risk_of
from config.healing import HealingSettings, RetrySettings
from data.attempts import Attempt
from data.circumstances import Act, Circumstances
from flows.healing.fleet import Fleet
from rules.engine import Match
from rules.policy import Approval, Hold, Standing
from rules.rule import Rule

LOOK_AGAIN = timedelta(seconds=10)
"""When to look again at what is held by something whose end is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A matched rule with everything that is needed to follow it.

    `problem` says why it cannot be followed, `free_at` when what is in its way should be gone.
    """

    match: Match
    standing: Standing
    target: str | None = None
    spec: ActionSpec | None = None
    risk: Risk | None = None
    parameters: Mapping[str, Any]
    retry: RetrySettings
    verify_within: timedelta
    problem: str | None = None
    free_at: datetime | None = None

    @property
    def rule(self) -> Rule:
        return self.match.rule


def candidate_of(
    match: Match, circumstances: Circumstances, fleet: Fleet, settings: HealingSettings
) -> Candidate:
    """Return where a matched rule stands.

    1. On whom: the incident's project, or the project that it and others depend on.
    2. May it at all: declared, with parameters that fit, as far as the project's autonomy goes.
    3. What was tried in this incident, and what people said.
    4. What holds it: brake, network, breaker, limits, cooldown, another attempt.
    """
    rule, then = match.rule, match.rule.then
    retry = then.retry or settings.retry
    verify_within = then.verify_within or settings.verify_within
    shadow = rule.mode == "shadow"
    if then.step != "act":
        standing = Standing(rule=rule.name, shadow=shadow, wish=then.step)
        return Candidate(
            match=match, standing=standing, parameters={}, retry=retry, verify_within=verify_within
        )
    target = _target(match, circumstances, fleet)
    owner = fleet.specs.get(target or "")
    spec = owner.actions.get(then.action or "") if owner else None
    risk = risk_of(then.action or "", spec) if spec else None
    parameters, problem = _parameters(rule, spec, target)
    tried = [one for one in circumstances.attempts if _is_of(one, rule)]
    failed = [one for one in tried if one.succeeded is False]
    wait_until = _wait_until(retry, failed)
    hold, held_until = _hold(rule, target, circumstances, fleet, settings)
    autonomy = owner.autonomy if owner else "observe"
    now = circumstances.now
    standing = Standing(
        rule=rule.name,
        shadow=shadow,
        declared=spec is not None,
        parameters_valid=problem is None or spec is None,
        autonomy=autonomy,
        approval_needed=_needs_approval(rule, risk, autonomy),
        approval=_approval([one for one in tried if _asks_for(one, rule, target, parameters)]),
        attempts=len(failed),
        max_attempts=retry.max_attempts,
        permanent_failure=bool(failed) and failed[-1].permanent,
        hold=hold,
        backoff_left_s=max(0.0, (wait_until - now).total_seconds()) if wait_until else 0.0,
    )
    return Candidate(
        match=match,
        standing=standing,
        target=target,
        spec=spec,
        risk=risk,
        parameters=parameters,
        retry=retry,
        verify_within=verify_within,
        problem=problem,
        free_at=held_until if hold != "none" else wait_until,
    )


def _target(match: Match, circumstances: Circumstances, fleet: Fleet) -> str | None:
    own = circumstances.incident.project
    if match.rule.then.on == "project":
        return own
    shared = (fact.fields.get("shared_dependency") for fact in match.facts)
    common = next((name for name in shared if isinstance(name, str)), None)
    return common or next(iter(fleet.upstream.get(own or "", ())), None)


def _parameters(
    rule: Rule, spec: ActionSpec | None, target: str | None
) -> tuple[Mapping[str, Any], str | None]:
    action = rule.then.action or ""
    if spec is None:
        return {}, f"{target or 'nothing'} declares no action {action}"
    try:
        return check(action, spec, rule.then.parameters), None
    except ParameterError as error:
        return {}, str(error)


def _is_of(attempt: Attempt, rule: Rule) -> bool:
    return attempt.purpose == "heal" and attempt.rule == rule.name and not attempt.dry_run


def _asks_for(
    attempt: Attempt, rule: Rule, target: str | None, parameters: Mapping[str, Any]
) -> bool:
    """Tell whether it asks for the same as the rule now does, which may have been edited."""
    wanted = (target, rule.then.action, dict(parameters))
    return (attempt.project, attempt.action, dict(attempt.parameters)) == wanted


def _needs_approval(rule: Rule, risk: Risk | None, autonomy: str) -> bool:
    if autonomy == "approve" or rule.then.approval == "required":
        return True
    return rule.then.approval == "by_risk" and risk == "destructive"


def _approval(tried: Sequence[Attempt]) -> Approval:
    """Return what people said of the same attempt in this incident; a yes holds for its retries.

    One that ended before its time was over, because something else came up, is asked for again.
    """
    states = {attempt.state for attempt in tried}
    if "rejected" in states:
        return "rejected"
    if "pending" in states:
        return "pending"
    if any(attempt.decided_by for attempt in tried if attempt.state != "expired"):
        return "approved"
    return "expired" if any(_ran_out(attempt) for attempt in tried) else "none"


def _ran_out(attempt: Attempt) -> bool:
    """Tell whether nobody decided in time."""
    if attempt.state != "expired" or attempt.expires_at is None or attempt.finished_at is None:
        return False
    return attempt.expires_at <= attempt.finished_at


def _wait_until(retry: RetrySettings, failed: Sequence[Attempt]) -> datetime | None:
    ended = [attempt.finished_at for attempt in failed if attempt.finished_at]
    return next_attempt_at(retry, len(failed), max(ended)) if ended else None


def _hold(
    rule: Rule,
    target: str | None,
    circumstances: Circumstances,
    fleet: Fleet,
    settings: HealingSettings,
) -> tuple[Hold, datetime | None]:
    """Return the first thing that is in the way, and when it should be gone."""
    in_the_way = _in_the_way(rule, target, circumstances, fleet, settings)
    return next(in_the_way, ("none", None))


def _in_the_way(
    rule: Rule,
    target: str | None,
    circumstances: Circumstances,
    fleet: Fleet,
    settings: HealingSettings,
) -> Iterator[tuple[Hold, datetime | None]]:
    now, action = circumstances.now, rule.then.action or ""
    acts = [act for act in circumstances.acts if act.project == target]
    if circumstances.brake.stopped:
        yield "brake", None
    if circumstances.network_is_suspected:
        yield "network_suspected", now + LOOK_AGAIN
    breaker = breaker_state(_finished(acts, action), settings.breaker, now)
    if breaker.state == "open":
        yield "breaker_open", breaker.until
    if until := free_at([act.executing_at for act in acts], settings.rate_limit, now):
        yield "rate_limited", until
    others = circumstances.acted_projects - {target or ""}
    if not room(others, len(fleet), settings.blast_radius):
        yield "blast_radius", now + LOOK_AGAIN
    cooldown = settings.cooldown if rule.then.cooldown is None else rule.then.cooldown
    cooled_at = _cooled_at(acts, action, cooldown)
    if cooled_at is not None and cooled_at > now:
        yield "cooling_down", cooled_at
    if _is_busy(circumstances, target, action):
        yield "busy", now + timedelta(seconds=1)


def _finished(acts: Sequence[Act], action: str) -> list[Finished]:
    """Return the tries of an action by rules, by when they ended."""
    ended = [
        Finished(
            project=act.project, action=act.action, at=act.finished_at, succeeded=act.succeeded
        )
        for act in acts
        if act.action == action
        and act.purpose == "heal"
        and act.finished_at is not None
        and act.succeeded is not None
    ]
    return sorted(ended, key=lambda one: one.at)


def _cooled_at(acts: Sequence[Act], action: str, cooldown: timedelta) -> datetime | None:
    ends = [
        act.finished_at + cooldown
        for act in acts
        if act.action == action and act.purpose == "heal" and act.succeeded and act.finished_at
    ]
    return max(ends, default=None)


def _is_busy(circumstances: Circumstances, target: str | None, action: str) -> bool:
    """Tell whether the target is being acted on, or the same was asked for in another incident."""
    own = circumstances.incident.id
    return any(
        one.project == target
        and one.incident_id != own
        and (one.state == "executing" or one.action == action)
        for one in circumstances.unfinished
    )
