"""Where each rule that matched would have stood, as the hub judges it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from actions.parameters import ParameterError, check
from config.action_spec import ActionSpec, risk_of
from config.healing import HealingSettings, RetrySettings
from rules.backtest.course import Course
from rules.backtest.ledger import Held, Ledger, backing_off_until
from rules.backtest.world import World
from rules.engine import Match
from rules.policy import Autonomy, Standing
from rules.rule import Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """A matched rule, on whom it would act, and when what is in its way is gone."""

    match: Match
    standing: Standing
    target: str | None = None
    retry: RetrySettings
    verify_within: timedelta
    free_at: datetime | None = None

    @property
    def rule(self) -> Rule:
        return self.match.rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On what terms a rule may act on a project, which does not change in a replay."""

    declared: bool
    parameters_valid: bool
    autonomy: Autonomy
    approval_needed: bool


class Standings:
    """Tells of each rule that matched where it stands; one in shadow mode as if it were active."""

    def __init__(self, world: World, ledger: Ledger, settings: HealingSettings) -> None:
        self._world = world
        self._ledger = ledger
        self._settings = settings
        self._terms: dict[tuple[str, str | None], Terms] = {}

    def of(self, match: Match, course: Course, now: datetime) -> Stand:
        """Return where a rule stands in an incident, in which no attempt is under way."""
        rule, then = match.rule, match.rule.then
        retry = then.retry or self._settings.retry
        verify_within = then.verify_within or self._settings.verify_within
        if then.step != "act":
            standing = Standing(rule=rule.name, wish=then.step)
            return Stand(match=match, standing=standing, retry=retry, verify_within=verify_within)
        target = _target(match, course, self._world)
        terms = self._terms_of(rule, target)
        request = course.request_of(rule.name)
        failed = [one for one in course.tries_of(rule.name, now) if not one.succeeded]
        due_at = backing_off_until(retry, failed)
        held = self._held(rule, target, course, now)
        standing = Standing(
            rule=rule.name,
            declared=terms.declared,
            parameters_valid=terms.parameters_valid,
            autonomy=terms.autonomy,
            approval_needed=terms.approval_needed,
            approval=request.approval(now) if request else "none",
            attempts=len(failed),
            max_attempts=retry.max_attempts,
            permanent_failure=bool(failed) and failed[-1].permanent,
            hold=held.by,
            backoff_left_s=1.0 if due_at is not None and due_at > now else 0.0,
        )
        return Stand(
            match=match,
            standing=standing,
            target=target,
            retry=retry,
            verify_within=verify_within,
            free_at=held.until if held.by != "none" else due_at,
        )

    def _terms_of(self, rule: Rule, target: str | None) -> Terms:
        key = rule.name, target
        if key not in self._terms:
            owner = self._world.specs.get(target or "")
            spec = owner.actions.get(rule.then.action or "") if owner else None
            autonomy = owner.autonomy if owner else "observe"
            self._terms[key] = Terms(
                declared=spec is not None,
                parameters_valid=spec is None or _fits(rule, spec),
                autonomy=autonomy,
                approval_needed=_needs_approval(rule, spec, autonomy),
            )
        return self._terms[key]

    def _held(self, rule: Rule, target: str | None, course: Course, now: datetime) -> Held:
        if stretch := self._world.braked(now):
            return Held(by="brake", until=stretch.end)
        if stretch := self._world.network_suspected(now):
            return Held(by="network_suspected", until=stretch.end)
        if target is None:
            return Held(by="none")
        return self._ledger.in_the_way(
            target,
            rule.then.action or "",
            now,
            incident_id=course.incident.id,
            cooldown=rule.then.cooldown,
        )


def _target(match: Match, course: Course, world: World) -> str | None:
    own = course.incident.project
    if match.rule.then.on == "project":
        return own
    shared = (fact.fields.get("shared_dependency") for fact in match.facts)
    common = next((name for name in shared if isinstance(name, str)), None)
    return common or next(iter(world.projects[own].upstream), None)


def _fits(rule: Rule, spec: ActionSpec) -> bool:
    try:
        check(rule.then.action or "", spec, rule.then.parameters)
    except ParameterError:
        return False
    return True


def _needs_approval(rule: Rule, spec: ActionSpec | None, autonomy: str) -> bool:
    if autonomy == "approve" or rule.then.approval == "required":
        return True
    if rule.then.approval != "by_risk" or spec is None:
        return False
    return risk_of(rule.then.action or "", spec) == "destructive"
