"""Likely causes of an incident: `rank` a window, `explain` the ranking in plain words."""

from reasoning.causes.cause import Cause, Ranking
from reasoning.causes.measured import Measured
from reasoning.causes.ranking import rank
from reasoning.causes.window import LOGS, Change, IncidentWindow, StatusChange
from reasoning.causes.wording import explain

__all__ = [
    "LOGS",
    "Cause",
    "Change",
    "IncidentWindow",
    "Measured",
    "Ranking",
    "StatusChange",
    "explain",
    "rank",
]
