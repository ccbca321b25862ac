"""From the notices of one message to what its template may say of them."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from actions.notification.instants import shown
from actions.notification.plain_text import lines, one_line
from config.durations import format_duration
from config.escalation import SEVERITIES, Severity
from data.notices import Notice

MOST_LISTED: Final = 10
_MOST_KINDS: Final = 5
_MOST_SUBJECT: Final = 200
_COMMANDS: Final = ("Act: ", "Look: ", "opslore ")
_MEASURED_THEN: Final = re.compile(r", now -?[\d.,]+(e[-+]?\d+)?$")

LinkFor = Callable[[UUID, str, datetime | None], str | None]
"""Makes the link by which a contact decides about an attempt until an instant, if there is one."""


def no_link(_attempt_id: UUID, _contact: str, _until: datetime | None) -> str | None:
    """Return no link: there is no address that people reach the hub at."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing of a message: an incident, its end, a question, or something to know.

    `since`, `lasted` and `lines` are texts for the contact's time zone; `lasted` is until now or
    until the end; `commands` are those of the lines that say what can be done; `count` is how
    many notices of it were laid together; `link` is where this contact may decide.
    """

    subject: str
    severity: Severity
    project: str | None
    kind: str | None
    incident_id: int | None
    attempt_id: UUID | None
    since: str | None
    lasted: str | None
    acknowledged_by: str | None
    lines: tuple[str, ...]
    commands: tuple[str, ...]
    count: int
    link: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What goes to one contact at once; each list has the worst first, then the oldest."""

    problems: tuple[Entry, ...]
    resolved: tuple[Entry, ...]
    approvals: tuple[Entry, ...]

    @property
    def severity(self) -> Severity:
        """The highest of what is still to be taken care of, `info` when all is over."""
        open_ = [SEVERITIES.index(entry.severity) for entry in (*self.problems, *self.approvals)]
        return SEVERITIES[max(open_, default=0)]

    @property
    def is_over(self) -> bool:
        """Whether it tells of ends only."""
        return not self.problems and not self.approvals

    @property
    def only(self) -> Entry | None:
        """The one entry, None when there are several."""
        entries = (*self.problems, *self.resolved, *self.approvals)
        return entries[0] if len(entries) == 1 else None

    @property
    def summary(self) -> str:
        """What it holds, as in `50 incidents: 31 down, 19 response_ms; 2 to approve`."""
        problems, approvals, resolved = map(len, (self.problems, self.approvals, self.resolved))
        parts = [
            f"{problems} {'incident' if problems == 1 else 'incidents'}: {self._kinds()}"
            if problems
            else "",
            f"{approvals} to approve" if approvals else "",
            f"{resolved} resolved" if resolved else "",
        ]
        return "; ".join(filter(None, parts))

    def _kinds(self) -> str:
        counted = Counter(entry.kind or "other" for entry in self.problems).most_common()
        rest = sum(count for _, count in counted[_MOST_KINDS:])
        named = [f"{count} {kind}" for kind, count in counted[:_MOST_KINDS]]
        return ", ".join([*named, *([f"{rest} of other kinds"] if rest else [])])


def compose(
    notices: Sequence[Notice], zone: ZoneInfo, now: datetime, link_for: LinkFor = no_link
) -> Message:
    """Lay together what is said of one incident; its end, if among it, is all that is said.

    A question that was decided or has expired meanwhile is asked no more, only mentioned. What
    an action tells stands for itself.
    """
    over = {one.incident_id for one in notices if one.purpose == "resolved"}
    resolved = [one for one in notices if one.incident_id in over and one.purpose != "action"]
    rest = [one for one in notices if one not in resolved]
    asked = [one for one in rest if _is_question(one)]
    told = [_mention(one) for one in rest if not _is_question(one)]
    return Message(
        problems=_entries(told, zone, now),
        resolved=_entries(resolved, zone, now),
        approvals=tuple(
            replace(entry, link=_link(entry, asked, link_for))
            for entry in _entries(asked, zone, now)
        ),
    )


def _is_question(one: Notice) -> bool:
    return one.purpose == "approval" and one.attempt_state in {None, "pending"}


def _mention(one: Notice) -> Notice:
    if one.purpose != "approval":
        return one
    return replace(one, subject=f"{one.subject} ({one.attempt_state})", body="")


def _link(entry: Entry, asked: Sequence[Notice], link_for: LinkFor) -> str | None:
    return next(
        (
            link_for(one.attempt_id, one.contact, one.expires_at)
            for one in asked
            if one.attempt_id is not None
            and one.attempt_id == entry.attempt_id
            and one.contact is not None
        ),
        None,
    )


def _entries(notices: Iterable[Notice], zone: ZoneInfo, now: datetime) -> tuple[Entry, ...]:
    together: dict[object, list[Notice]] = {}
    for one in notices:
        together.setdefault(_topic(one), []).append(one)
    of_one = sorted(together.values(), key=_worst_then_oldest)
    return tuple(_entry(notices, zone, now) for notices in of_one)


def _topic(one: Notice) -> object:
    """Return what a notice is about: those about the same are laid together."""
    about = one.attempt_id if _is_question(one) else one.incident_id
    return ("alone", one.id) if about is None or one.purpose == "action" else about


def _worst_then_oldest(notices: Sequence[Notice]) -> tuple[int, datetime, int]:
    worst = max(SEVERITIES.index(one.severity) for one in notices)
    return -worst, notices[0].opened_at or notices[0].created_at, notices[0].id


def _entry(notices: Sequence[Notice], zone: ZoneInfo, now: datetime) -> Entry:
    newest = notices[-1]
    since = newest.opened_at
    subject = one_line(_what(newest), _MOST_SUBJECT)
    raw = lines(_body(notices))
    raw = raw[1:] if raw[:1] == [subject] else raw
    said = tuple(shown(line, lambda instant: _local(instant, zone, now)) for line in raw)
    return Entry(
        subject=subject,
        severity=max((one.severity for one in notices), key=SEVERITIES.index),
        project=newest.project,
        kind=newest.kind,
        incident_id=newest.incident_id,
        attempt_id=newest.attempt_id,
        since=_local(since, zone, now) if since else None,
        lasted=_lasted(since, newest.resolved_at or now) if since else None,
        acknowledged_by=newest.acknowledged_by,
        lines=said,
        commands=tuple(line for line in said if line.strip().startswith(_COMMANDS)),
        count=len(notices),
    )


def _what(newest: Notice) -> str:
    """Return what it is about; of what is over without the value that was measured then."""
    if newest.purpose != "resolved":
        return newest.subject
    return _MEASURED_THEN.sub("", newest.subject)


def _body(notices: Sequence[Notice]) -> str:
    """Return the newest text, which of an end is its own; what is only mentioned has none."""
    if notices[-1].purpose == "resolved":
        return notices[-1].body
    return next((one.body for one in reversed(notices) if one.body), "")


def _local(instant: datetime, zone: ZoneInfo, now: datetime) -> str:
    at = instant.astimezone(zone)
    same_day = at.date() == now.astimezone(zone).date()
    return f"{at:%H:%M:%S %Z}" if same_day else f"{at:%Y-%m-%d %H:%M %Z}"


def _lasted(start: datetime, end: datetime) -> str:
    return format_duration(timedelta(seconds=max(0, round((end - start).total_seconds()))))
