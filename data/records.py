"""The records that travel between folders: what a probe, a scrape and a log fetch found.

Instants are timezone-aware UTC. Percentages run from 0 to 100, though a project may report
more (a process on four cores may say 400). Fields in `_ms` are milliseconds.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

HealthStatus = Literal["healthy", "degraded", "down", "unknown"]
Severity = Literal["info", "warning", "critical"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthSample:
    """One health probe. `detail` says in plain words what was wrong, None when all was well."""

    project: str
    recorded_at: datetime
    status: HealthStatus
    response_ms: float | None = None
    http_status: int | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSample:
    """One scrape. `detail` says why nothing, or not everything, could be read."""

    project: str
    recorded_at: datetime
    cpu_percent: float | None = None
    memory_percent: float | None = None
    error_rate_percent: float | None = None
    response_ms: float | None = None
    other: dict[str, float] = field(default_factory=dict)
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line of a project's log: redacted, at most 2,000 characters."""

    project: str
    recorded_at: datetime
    logged_at: datetime | None = None
    level: str | None = None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """What a project says about itself; `deployed_at` and `version` tell of a deploy."""

    project: str
    recorded_at: datetime
    version: str | None = None
    started_at: datetime | None = None
    deployed_at: datetime | None = None
    state: str | None = None
    other: dict[str, Any] = field(default_factory=dict)

    def as_reported(self) -> dict[str, Any]:
        """Return the report as the registry keeps it: JSON, instants in ISO 8601."""
        instants = {
            name: at.isoformat() if at is not None else None
            for name, at in (
                ("recorded_at", self.recorded_at),
                ("started_at", self.started_at),
                ("deployed_at", self.deployed_at),
            )
        }
        return {**self.other, **instants, "version": self.version, "state": self.state}
