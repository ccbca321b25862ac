"""The words that rows hold, apart from what reads and writes them."""

from typing import Literal

IncidentState = Literal["open", "resolved"]
Detector = Literal["threshold", "trend"]
Direction = Literal["above", "below"]
AttemptState = Literal[
    "pending",
    "approved",
    "executing",
    "verifying",
    "completed",
    "failed",
    "rejected",
    "expired",
    "unknown",
    "rolled_back",
]
Purpose = Literal["heal", "undo", "release", "by_hand"]

DOWN = "down"
DEGRADED = "degraded"
FLEET_UNREACHABLE = "fleet_unreachable"
"""The kinds of incident that are no metric's."""
