"""How far the hub may go when it heals: retries, limits, breaker, and whom it wakes."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from config.durations import Duration, limits
from config.escalation import EscalationStep
from config.section import Section

_Window = Annotated[Duration, limits("1s", "7d")]
_ANY_SEQUENCE = Field(strict=False)


class RetrySettings(Section):
    """How often an action is tried in one incident, and how long the hub waits in between."""

    max_attempts: int = Field(default=3, ge=1, le=10)
    wait_initial: Annotated[Duration, limits("100ms", "1d")] = timedelta(seconds=10)
    wait_max: Annotated[Duration, limits("100ms", "1d")] = timedelta(minutes=5)


class BreakerSettings(Section):
    """When an action of a project is no longer tried: `failures` of it, in a row and in `within`.

    After `cooldown` one attempt is let through; whether it succeeds decides.
    """

    failures: int = Field(default=3, ge=1, le=100)
    within: _Window = timedelta(minutes=30)
    cooldown: _Window = timedelta(minutes=30)


class RateLimitSettings(Section):
    """How many actions one project may see in a window."""

    actions: int = Field(default=10, ge=1, le=10_000)
    within: _Window = timedelta(minutes=10)


class BlastRadiusSettings(Section):
    """How much of the fleet may be acted on in a window: the smaller of both, but two projects."""

    projects: int = Field(default=5, ge=1, le=10_000)
    percent: float = Field(default=30.0, gt=0, le=100)
    within: _Window = timedelta(minutes=10)


class HealingSettings(Section):
    """How a hub acts on incidents. What a rule says of itself goes before."""

    enabled: bool = True
    dry_run: bool = False
    grace: Annotated[Duration, limits("0s", "10m")] = timedelta(seconds=5)
    retry: RetrySettings = RetrySettings()
    verify_within: Annotated[Duration, limits("1s", "1d")] = timedelta(minutes=2)
    approval_expires: Annotated[Duration, limits("10s", "7d")] = timedelta(minutes=30)
    cooldown: Annotated[Duration, limits("0s", "7d")] = timedelta(minutes=1)
    breaker: BreakerSettings = BreakerSettings()
    rate_limit: RateLimitSettings = RateLimitSettings()
    blast_radius: BlastRadiusSettings = BlastRadiusSettings()
    escalate: Annotated[tuple[EscalationStep, ...], _ANY_SEQUENCE] = ()
