"""Write a small history into the record, so that its right answers can be worked out by hand."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.types.json import Jsonb

from config.projects_file import validate_project

NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=2)
"""The moment a history begins, in the whole seconds after which everything is said."""


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


class History:
    """A record in the making. Instants are seconds after NOON."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)

    def close(self) -> None:
        self._connection.close()

    def project(self, name: str, **spec: Any) -> None:
        whole = validate_project({"name": name, "url": "http://127.0.0.1:1", **spec})
        self._insert(
            "projects",
            name=name,
            source="database",
            spec=Jsonb(whole.model_dump(mode="json", by_alias=True)),
        )

    def incident(
        self,
        project: str,
        kind: str = "down",
        *,
        opened: float = 0,
        resolved: float | None = None,
        cause: int | None = None,
        resolution: str = "healthy again",
        severity: str = "critical",
    ) -> int:
        """Add an incident and return its number."""
        number: int = self._insert(
            "incidents",
            project=project,
            kind=kind,
            severity=severity,
            title=f"{project} is {kind}",
            opened_at=at(opened),
            updated_at=at(opened),
            cause_incident_id=cause,
            state="open" if resolved is None else "resolved",
            resolved_at=None if resolved is None else at(resolved),
            resolution=None if resolved is None else resolution,
            returning="id",
        )
        return number

    def anomaly(self, incident: int, project: str, metric: str, value: float, **of: Any) -> None:
        """Add an anomaly to an incident: above 80, from the incident's start."""
        self._insert(
            "anomalies",
            project=project,
            kind=of.get("kind", metric),
            metric=metric,
            detector=of.get("detector", "threshold"),
            direction="above",
            severity=of.get("severity", "warning"),
            value=value,
            extreme=of.get("extreme", value),
            threshold=80.0,
            time_window=timedelta(seconds=90),
            reason="high",
            started_at=at(of.get("started", 0)),
            last_seen_at=at(of.get("started", 0)),
            ended_at=at(of["ended"]) if "ended" in of else None,
            incident_id=incident,
        )

    def attempt(
        self,
        incident: int | None,
        project: str,
        action: str = "restart",
        *,
        requested: float,
        took: float | None = 30,
        succeeded: bool | None = True,
        purpose: str = "heal",
        rule: str | None = "restart-it",
        number: int = 1,
        dry_run: bool = False,
        state: str | None = None,
        decided: float | None = None,
        version: str = "v",
    ) -> None:
        """Add an attempt that was carried out at once; `took` None is one that was not."""
        ended = None if took is None else at(requested + took)
        self._insert(
            "action_attempts",
            id=uuid4(),
            incident_id=incident,
            project=project,
            action=action,
            risk="disruptive",
            purpose=purpose,
            number=number,
            rule=rule,
            rules_version=version,
            dry_run=dry_run,
            state=state or ("completed" if succeeded else "failed"),
            requested_at=at(requested),
            requested_by="hub",
            reason="because",
            decided_at=None if decided is None else at(decided),
            executing_at=None if took is None else at(requested),
            finished_at=ended,
            succeeded=succeeded if took is not None else None,
        )

    def decision(
        self,
        incident: int,
        step: str,
        reason: str,
        *,
        decided: float,
        rule: str | None = None,
        action: str | None = None,
        version: str = "v",
    ) -> None:
        self._insert(
            "rule_decisions",
            decided_at=at(decided),
            hub="hub",
            incident_id=incident,
            kind="down",
            step=step,
            reason=reason,
            rule=rule,
            rules_version=version,
            action=action,
        )

    def event(
        self,
        kind: str,
        *,
        occurred: float,
        project: str | None = None,
        incident: int | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        self._insert(
            "agent_events",
            occurred_at=at(occurred),
            hub="hub",
            agent="agent",
            kind=kind,
            severity="info",
            project=project,
            incident_id=incident,
            message=kind,
            details=Jsonb(dict(details or {})),
        )

    def deploy(self, project: str, *, occurred: float, version: str = "2") -> None:
        details = {"from_version": "1", "to_version": version}
        self.event("ProjectDeployed", occurred=occurred, project=project, details=details)

    def silence(self, *, starts: float, ends: float, **of: str) -> None:
        self._insert(
            "silences",
            starts_at=at(starts),
            ends_at=at(ends),
            reason="works",
            created_by="me",
            **of,
        )

    def _insert(self, table: str, *, returning: str | None = None, **values: Any) -> Any:
        statement = psycopg.sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            psycopg.sql.Identifier(table),
            psycopg.sql.SQL(", ").join(map(psycopg.sql.Identifier, values)),
            psycopg.sql.SQL(", ").join(map(psycopg.sql.Placeholder, values)),
        )
        if returning:
            statement += psycopg.sql.SQL(" RETURNING {}").format(psycopg.sql.Identifier(returning))
        cursor = self._connection.execute(statement, values)
        if returning is None:
            return None
        row = cursor.fetchone()
        assert row is not None
        return row[0]
