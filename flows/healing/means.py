"""What every step of healing works with, and what it answers."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from config.healing import HealingSettings
from data.database import Database
from flows.healing.execution import Execution
from flows.healing.fleet import Fleet
from rules.engine import Engine

Look = timedelta | None
"""In how long to look at an incident again; AT_ONCE, or None when nothing is left to do."""

AT_ONCE: Final = timedelta()
SOON: Final = timedelta(seconds=1)
LATER: Final = timedelta(seconds=10)
RARELY: Final = timedelta(seconds=30)
"""How often what a person has is looked at: a rule may begin to hold with time."""

Log = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """The hub's own name, the record, the fleet, the rules in force and the way to act."""

    hub: str
    database: Database
    fleet: Fleet
    engine: Callable[[], Engine]
    execution: Execution
    settings: HealingSettings


def until(instant: datetime | None, now: datetime) -> Look:
    """Return how long it is until an instant, at least a moment."""
    return None if instant is None else max(instant - now, timedelta(milliseconds=50))
