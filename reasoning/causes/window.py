"""What is given about an incident and those around it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

import polars as pl

from data.analytics.limits import SAMPLES
from data.records import HealthStatus

ChangeKind = Literal["deploy", "configuration"]

LOGS = pl.Schema(
    {
        "project": pl.String(),
        "at": pl.Datetime(time_unit="us", time_zone="UTC"),
        "message": pl.String(),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChange:
    """From `at` on a project was in this status."""

    project: str
    at: datetime
    status: HealthStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something that people changed: a finished deploy, or a new revision of the configuration."""

    project: str
    at: datetime
    kind: ChangeKind = "deploy"
    version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentWindow:
    """An incident, and what was measured before and during it in its neighbourhood.

    `metric` is what the incident is about, None where it is about no metric (an outage).
    `depends_on` names for each project those it calls; who is not named calls nobody.
    `metrics` has the columns of `data.analytics.limits.SAMPLES`, `logs` those of `LOGS`: the
    further back they go, the better what is usual is known. Everything after `ends_at` is left
    out. `lead` is how long before it was opened an incident may have begun.
    """

    project: str
    opened_at: datetime
    ends_at: datetime
    metrics: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=SAMPLES))
    metric: str | None = None
    depends_on: Mapping[str, Sequence[str]] = field(default_factory=dict)
    statuses: Sequence[StatusChange] = ()
    changes: Sequence[Change] = ()
    logs: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=LOGS))
    lead: timedelta = timedelta(minutes=5)

    @property
    def begins_at(self) -> datetime:
        """Return from when on samples are of the incident; all before it are its baseline."""
        return self.opened_at - self.lead
