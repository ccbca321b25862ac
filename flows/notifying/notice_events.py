"""How the life of notices reads in the event log. No address is ever part of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from data.events import EventKind, NewEvent
from data.notices import Notice, Waiting
from data.records import Severity
from flows.notifying.escalating import AGENT


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeEvents:
    """Makes the events of one hub."""

    hub: str

    def sent(self, contact: str, subject: str, notices: Sequence[Notice], at: datetime) -> NewEvent:
        message = f"{contact} was told: {subject}"
        return self._event("NoticeSent", "info", message, notices, at=at)

    def given_up(
        self, contact: str, reason: str, notices: Sequence[Notice | Waiting], at: datetime
    ) -> NewEvent:
        message = f"{contact} could not be told and is given up: {reason}"
        return self._event("NoticeFailed", "critical", message, notices, at=at)

    def nobody(self, notice: Waiting, reason: str, at: datetime) -> NewEvent:
        message = f"nobody is told, {reason}: {notice.subject}"
        return self._event("NoticeFailed", "warning", message, [notice], at=at)

    def _event(
        self,
        kind: EventKind,
        severity: Severity,
        message: str,
        notices: Sequence[Notice | Waiting],
        *,
        at: datetime,
    ) -> NewEvent:
        incidents = sorted({one.incident_id for one in notices if one.incident_id is not None})
        projects = {one.project for one in notices}
        return NewEvent(
            occurred_at=at,
            hub=self.hub,
            agent=AGENT,
            kind=kind,
            severity=severity,
            project=projects.pop() if len(projects) == 1 else None,
            incident_id=incidents[0] if len(incidents) == 1 else None,
            message=message,
            details={
                "contact": notices[0].contact,
                "incidents": incidents,
                "notices": [one.id for one in notices],
                "purposes": sorted({one.purpose for one in notices}),
            },
        )
