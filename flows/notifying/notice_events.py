"""How the life of notices reads in the event log. No address is ever part of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from data.events import EventKind, NewEvent
from data.notices import Notice, Stranded, Waiting
from data.records import Severity
from flows.notifying.escalating import AGENT


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeEvents:
    """Makes the events of one hub."""

    hub: str

    def sent(
        self, contact: str, subject: str, notices: Sequence[Notice], at: datetime
    ) -> list[NewEvent]:
        """Return one event per incident, so that each is in the story of its incident."""
        message = f"{contact} was told: {subject}"
        return [
            self._event("NoticeSent", "info", message, those, at=at) for those in _each(notices)
        ]

    def given_up(
        self, contact: str, reason: str, notices: Sequence[Notice | Waiting], at: datetime
    ) -> list[NewEvent]:
        """Return one event per incident, so that each is in the story of its incident."""
        message = f"{contact} could not be told and is given up: {reason}"
        return [
            self._event("NoticeFailed", "critical", message, those, at=at)
            for those in _each(notices)
        ]

    def nobody(self, notice: Waiting, reason: str, at: datetime) -> NewEvent:
        message = f"nobody is told, {reason}: {notice.subject}"
        return self._event("NoticeFailed", "warning", message, [notice], at=at)

    def nobody_to_ask(self, one: Stranded, at: datetime) -> NewEvent:
        return NewEvent(
            occurred_at=at,
            hub=self.hub,
            agent=AGENT,
            kind="NoticeFailed",
            severity="critical",
            project=one.project,
            incident_id=one.incident_id,
            message=f"nobody could be asked, and nobody is left to ask: {one.subject}"
            f" (opslore approvals list shows attempt {str(one.attempt_id)[:8]})",
            details={"attempt": str(one.attempt_id), "contacts": list(one.contacts)},
        )

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


def _each(notices: Sequence[Notice | Waiting]) -> list[list[Notice | Waiting]]:
    """Return notices by incident; those of none are together."""
    of: dict[int | None, list[Notice | Waiting]] = {}
    for one in notices:
        of.setdefault(one.incident_id, []).append(one)
    return list(of.values())
