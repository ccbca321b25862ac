"""The circuit breaker of one action of one project, derived from what became of its attempts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from config.healing import BreakerSettings

BreakerState = Literal["closed", "open", "half_open"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """An attempt that came to an end; `succeeded` means that it was verified to have helped."""

    project: str
    action: str
    at: datetime
    succeeded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """Whether the action may be tried; `until` is when an open breaker lets one attempt through."""

    state: BreakerState
    until: datetime | None = None


def breaker_state(
    finished: Sequence[Finished], settings: BreakerSettings, now: datetime
) -> Breaker:
    """Judge by the finished attempts of one action of one project, the oldest first.

    It opens at the attempt that makes `failures` failures in a row within `within`, and is half
    open `cooldown` later: a failure then opens it anew, a success closes it. There is no state
    to keep, so every hub sees the same. The pattern is that of M. Nygard, Release It!, 2007.
    """
    in_a_row: list[datetime] = []
    opened_at: datetime | None = None
    for attempt in finished:
        if attempt.succeeded:
            in_a_row, opened_at = [], None
            continue
        in_a_row.append(attempt.at)
        recent = [at for at in in_a_row if at > attempt.at - settings.within]
        if opened_at is not None or len(recent) >= settings.failures:
            opened_at = attempt.at
    if opened_at is None:
        return Breaker(state="closed")
    until = opened_at + settings.cooldown
    return Breaker(state="open", until=until) if now < until else Breaker(state="half_open")
