"""Whom an incident that is not taken care of is told, one after the other."""

from datetime import timedelta
from typing import Annotated, Final, Literal

from config.durations import Duration, limits
from config.names import Name
from config.section import Section

Severity = Literal["info", "warning", "critical"]

SEVERITIES: Final[tuple[Severity, ...]] = ("info", "warning", "critical")
"""From the least to the most."""


class EscalationStep(Section):
    """One level of a chain: whom to tell, and how long after the escalation began.

    A step with a `severity` is for incidents that are at least so severe. One with `repeat`
    is told again and again, until somebody acknowledges or the incident is over.
    """

    notify: Name
    after: Annotated[Duration, limits("0s", "7d")] = timedelta()
    severity: Severity | None = None
    repeat: Annotated[Duration, limits("1s", "7d")] | None = None


def at_least(severity: Severity, least: Severity) -> bool:
    """Return whether a severity is `least` or more."""
    return SEVERITIES.index(severity) >= SEVERITIES.index(least)
