"""What is taken to have come of an attempt or a request, from what really happened.

An attempt of the same action that was really carried out in the same incident: what really came
of it. Any other: nothing is claimed of the action. The incident ends when it really ended, and
the attempt counts as having helped if that was in the time in which the hub would have looked.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from data.past import Past, PastAttempt
from rules.backtest.course import Course, Request, Try
from rules.backtest.standings import Stand

ASSUMPTION: Final = (
    "An attempt that really ran in the same incident comes to what it really came to, and"
    " approval is given when it really was. Of any other attempt nothing is claimed: the incident"
    " ends when it really ended, and the attempt counts as having helped if that was while the"
    " hub would have looked whether it does."
)
"""To be told with every figure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """How an attempt ends."""

    at: datetime
    succeeded: bool
    permanent: bool = False

    @classmethod
    def of(cls, really: PastAttempt, course: Course, at: datetime) -> "_End | None":
        """Return what really came of it, None where that is not known.

        What helped did so by the end of the incident; what failed took as long as it took.
        """
        if really.executing_at is None or really.finished_at is None or really.succeeded is None:
            return None
        took_until = at + (really.finished_at - really.executing_at)
        if really.succeeded:
            return cls(at=course.incident.resolved_at or took_until, succeeded=True)
        return cls(at=took_until, succeeded=False, permanent=really.permanent)

    @classmethod
    def assumed(cls, course: Course, deadline: datetime) -> "_End":
        ended_at = course.incident.resolved_at
        if ended_at is not None and ended_at <= deadline:
            return cls(at=ended_at, succeeded=True)
        return cls(at=deadline, succeeded=False)


class Outcomes:
    """The recorded attempts of rules, by incident and action, in order."""

    def __init__(self, past: Past, approval_expires: timedelta) -> None:
        self._approval_expires = approval_expires
        self._recorded: dict[tuple[int, str], list[PastAttempt]] = defaultdict(list)
        for one in past.attempts:
            if one.incident_id is not None and one.purpose == "heal":
                self._recorded[one.incident_id, one.action].append(one)

    def attempt(self, course: Course, stand: Stand, at: datetime) -> Try:
        """Return an attempt that begins now, with what is taken to have come of it."""
        action, target = stand.rule.then.action or "", stand.target or ""
        before = sum(one.action == action for one in course.tries)
        carried = [
            one
            for one in self._recorded.get((course.incident.id, action), ())
            if one.was_carried_out and one.project == target
        ]
        really = _End.of(carried[before], course, at) if before < len(carried) else None
        end = really or _End.assumed(course, at + stand.verify_within)
        return Try(
            rule=stand.rule.name,
            action=action,
            target=target,
            number=len(course.tries) + 1,
            at=at,
            finished_at=end.at,
            succeeded=end.succeeded,
            permanent=end.permanent,
            basis="recorded" if really else "assumed",
        )

    def request(self, course: Course, stand: Stand, at: datetime) -> Request:
        """Return a request for approval: answered as it really was, or else never."""
        action = stand.rule.then.action or ""
        for one in self._recorded.get((course.incident.id, action), ()):
            if one.decided_at is not None:
                return Request(
                    rule=stand.rule.name,
                    action=action,
                    target=stand.target or "",
                    at=at,
                    answered_at=at + (one.decided_at - one.requested_at),
                    answer="rejected" if one.state == "rejected" else "approved",
                    basis="recorded",
                )
        return Request(
            rule=stand.rule.name,
            action=action,
            target=stand.target or "",
            at=at,
            answered_at=at + self._approval_expires,
            answer="expired",
            basis="assumed",
        )
