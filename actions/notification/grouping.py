"""Which notices of one contact go out now as one message, and when to look again: pure.

The intervals are those of Prometheus' Alertmanager: news waits `group_wait` for more of it,
and after a message the next one waits `group_interval`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from config.contacts import Contact, NotificationSettings
from config.escalation import at_least
from data.notices import Waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to send now as one message, what never, each with why, and when to look again."""

    send: tuple[int, ...] = ()
    leave_out: tuple[tuple[int, str], ...] = ()
    give_up: tuple[int, ...] = ()
    look_at: datetime | None = None


def plan(
    waiting: Sequence[Waiting],
    contact: Contact,
    settings: NotificationSettings,
    *,
    last_sent_at: datetime | None,
    now: datetime,
) -> Plan:
    """Return what to do with the notices that wait for one contact.

    1. What is below the contact's least severity is left out when it is due, and with it its end.
    2. Quiet hours hold back what they are for. The end of an incident goes out at once to who
       knows of it, and otherwise together with its beginning.
    3. The rest goes out when the first of these is reached: `group_wait` after the oldest
       critical notice; when a retry is due; `group_wait` after the oldest notice, but not
       within `group_interval` of the last message nor while one is under way.
    """
    left_out = _left_out(waiting, contact, now)
    out = {notice_id for notice_id, _ in left_out}
    free = [one for one in waiting if not one.leased and one.id not in out]
    given_up = tuple(one.id for one in free if one.attempts >= settings.attempts)
    open_ = [one for one in free if one.id not in given_up]
    held_until = {one.id: _held_until(one, waiting, contact, now) for one in open_}
    ready = [one for one in open_ if held_until[one.id] is None]
    sending = any(one.leased for one in waiting)
    flush_at = _flush_at(ready, settings, last_sent_at, sending=sending)
    instants = [flush_at, *held_until.values()]
    send: tuple[int, ...] = ()
    if flush_at is not None and flush_at <= now:
        send = _together(ready, now)
        later = [one.due_at for one in ready if one.id not in send]
        instants = [*later, *held_until.values()]
    return Plan(
        send=send,
        leave_out=left_out,
        give_up=given_up,
        look_at=min((instant for instant in instants if instant is not None), default=None),
    )


def _together(ready: Sequence[Waiting], now: datetime) -> tuple[int, ...]:
    """Return what is due, and with the end of an incident also what waits to be tried again."""
    due = {one.id for one in ready if one.due_at <= now}
    over = {one.incident_id for one in ready if one.id in due and one.purpose == "resolved"}
    return tuple(one.id for one in ready if one.id in due or one.incident_id in over)


def _left_out(
    waiting: Sequence[Waiting], contact: Contact, now: datetime
) -> tuple[tuple[int, str], ...]:
    below = [
        one
        for one in waiting
        if one.purpose not in {"resolved", "test"}
        and not at_least(one.severity, contact.least_severity)
        and not one.leased
        and one.due_at <= now
    ]
    opened = {one.incident_id for one in waiting if one.purpose != "resolved" and one not in below}
    unknown = [
        one
        for one in waiting
        if one.purpose == "resolved" and not one.told and one.incident_id not in opened
    ]
    return (
        *((one.id, f"below {contact.least_severity}") for one in below),
        *((one.id, "the incident was not told either") for one in unknown),
    )


def _held_until(
    one: Waiting, waiting: Sequence[Waiting], contact: Contact, now: datetime
) -> datetime | None:
    """Return the end of the quiet hours that hold a notice back, None when none do."""
    if contact.quiet_hours is None or one.purpose == "test" or one.told:
        return None
    if one.purpose != "resolved":
        return contact.quiet_hours.end(now, one.severity)
    beginnings = [
        contact.quiet_hours.end(now, other.severity)
        for other in waiting
        if other.incident_id == one.incident_id and other.purpose != "resolved"
    ]
    return None if None in beginnings else beginnings[0] if beginnings else None


def _flush_at(
    ready: Sequence[Waiting],
    settings: NotificationSettings,
    last_sent_at: datetime | None,
    *,
    sending: bool,
) -> datetime | None:
    retries = [one.due_at for one in ready if one.attempts]
    fresh = [one for one in ready if not one.attempts]
    urgent = [
        one.due_at + settings.group_wait
        for one in fresh
        if one.severity == "critical" and one.purpose != "resolved"
    ]
    ordinary = [] if sending else [one.due_at + settings.group_wait for one in fresh]
    if ordinary and last_sent_at is not None:
        ordinary = [max(min(ordinary), last_sent_at + settings.group_interval)]
    return min((*retries, *urgent, *ordinary), default=None)
