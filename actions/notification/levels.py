"""Which steps of a chain are due: pure, from when the chain began and what was told already."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from config.escalation import EscalationStep, Severity, at_least


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What of a chain is to be told now, by position; what was then told; when there is more."""

    due: tuple[int, ...]
    reached: tuple[int, ...]
    next_at: datetime | None


def advance(
    chain: Sequence[EscalationStep],
    severity: Severity,
    started_at: datetime,
    *,
    reached: Collection[int],
    advanced_at: datetime | None,
    hurried: bool,
    now: datetime,
) -> Progress:
    """Return what is due of a chain at `now`.

    1. A step is due at its `after`, counted from the start, where the incident is severe enough.
       With `hurried`, the next step that was not told yet is due at once.
    2. A step that was told is due again every `repeat` after its first time; what was missed
       while no hub ran is told once.
    """
    wanted = _wanted(chain, severity)
    fresh = [position for position in wanted if position not in reached]
    due = [position for position in fresh if started_at + chain[position].after <= now]
    if hurried and not due:
        due = fresh[:1]
    since = advanced_at or started_at
    again = [
        position
        for position in wanted
        if position in reached
        and _repeats(chain[position], started_at, since)
        < _repeats(chain[position], started_at, now)
    ]
    told = (*reached, *due)
    return Progress(
        due=(*due, *again),
        reached=told,
        next_at=_earliest(
            _next(chain, position, position in told, started_at, now) for position in wanted
        ),
    )


def whom_to_ask(chain: Sequence[EscalationStep], severity: Severity) -> list[EscalationStep]:
    """Return the steps for this severity, the earliest first; where none is, the first ones."""
    wanted = [chain[position] for position in _wanted(chain, severity)]
    return wanted or sorted(chain, key=lambda step: step.after)[:1]


def _wanted(chain: Sequence[EscalationStep], severity: Severity) -> list[int]:
    """Return the positions of the steps for this severity, the earliest first."""
    return [
        position
        for position, step in sorted(enumerate(chain), key=lambda numbered: numbered[1].after)
        if step.severity is None or at_least(severity, step.severity)
    ]


def _repeats(step: EscalationStep, started_at: datetime, now: datetime) -> int:
    """Return how many times a step had been due again by `now`."""
    if step.repeat is None:
        return 0
    return max(0, (now - started_at - step.after) // step.repeat)


def _next(
    chain: Sequence[EscalationStep], position: int, told: bool, started_at: datetime, now: datetime
) -> datetime | None:
    step = chain[position]
    first_at = started_at + step.after
    if not told:
        return first_at
    if step.repeat is None:
        return None
    return first_at + (_repeats(step, started_at, now) + 1) * step.repeat


def _earliest(instants: Iterable[datetime | None]) -> datetime | None:
    return min((instant for instant in instants if instant is not None), default=None)
