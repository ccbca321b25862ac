"""What goes out together, what waits, what is held back at night, and what never goes out."""

from datetime import UTC, datetime, timedelta
from typing import Any

from actions.notification.grouping import Plan, plan
from config.contacts import Contact, NotificationSettings, QuietHours
from data.notices import Waiting

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NIGHT = datetime(2026, 1, 1, 23, tzinfo=UTC)
MORNING = datetime(2026, 1, 2, 7, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SETTINGS = NotificationSettings(group_wait=5 * SECOND, group_interval=60 * SECOND)
CONTACT = Contact(urls=("json://x",))
SLEEPER = Contact(urls=("json://x",), quiet_hours=QuietHours(from_="22:00", until="07:00"))


def _waiting(number: int, due_at: datetime = NOON, **changed: Any) -> Waiting:
    fields: dict[str, Any] = {
        "contact": "oncall",
        "purpose": "escalation",
        "severity": "warning",
        "incident_id": number,
        "project": "a",
        "subject": "down",
        "attempts": 0,
        **changed,
    }
    return Waiting(id=number, due_at=due_at, **fields)


def _plan(
    *waiting: Waiting,
    now: datetime = NOON,
    contact: Contact = CONTACT,
    last_sent_at: datetime | None = None,
) -> Plan:
    return plan(waiting, contact, SETTINGS, last_sent_at=last_sent_at, now=now)


def test_the_first_waits_for_more() -> None:
    assert _plan(_waiting(1)) == Plan(look_at=NOON + 5 * SECOND)


def test_all_that_came_meanwhile_goes_out_together() -> None:
    waiting = [_waiting(number, NOON + number / 10 * SECOND) for number in range(50)]
    assert _plan(*waiting, now=NOON + 5 * SECOND).send == tuple(range(50))


def test_after_a_message_the_next_one_waits() -> None:
    last = NOON - 10 * SECOND
    planned = _plan(_waiting(1), now=NOON + 6 * SECOND, last_sent_at=last)
    assert planned == Plan(look_at=NOON + 50 * SECOND)
    assert _plan(_waiting(1), now=NOON + 50 * SECOND, last_sent_at=last).send == (1,)


def test_what_is_critical_does_not_wait_for_the_interval_and_takes_the_rest_along() -> None:
    waiting = (_waiting(1), _waiting(2, severity="critical"))
    last = NOON - 10 * SECOND
    assert _plan(*waiting, last_sent_at=last).look_at == NOON + 5 * SECOND
    assert _plan(*waiting, now=NOON + 5 * SECOND, last_sent_at=last).send == (1, 2)


def test_while_a_message_is_under_way_only_what_is_critical_goes_out() -> None:
    under_way = _waiting(1, leased=True, attempts=1)
    assert _plan(under_way, _waiting(2), now=NOON + 9 * SECOND) == Plan()
    critical = _waiting(3, severity="critical")
    assert _plan(under_way, critical, now=NOON + 9 * SECOND).send == (3,)


def test_a_retry_waits_for_its_time_and_for_no_interval() -> None:
    retry = _waiting(1, NOON + 15 * SECOND, attempts=1)
    assert _plan(retry, last_sent_at=NOON) == Plan(look_at=NOON + 15 * SECOND)
    assert _plan(retry, now=NOON + 15 * SECOND, last_sent_at=NOON).send == (1,)


def test_what_used_its_attempts_is_given_up() -> None:
    assert _plan(_waiting(1, attempts=5)) == Plan(give_up=(1,))
    assert _plan(_waiting(1, attempts=5, leased=True)) == Plan()


def test_what_is_for_later_waits_until_then() -> None:
    later = NOON + timedelta(hours=1)
    assert _plan(_waiting(1, later), now=NOON + 9 * SECOND).look_at == later + 5 * SECOND


def test_what_is_not_severe_enough_for_a_contact_is_left_out_with_its_end() -> None:
    waiting = (_waiting(1, severity="info"), _waiting(2, incident_id=1, purpose="resolved"))
    assert _plan(*waiting, now=NOON + 9 * SECOND) == Plan(
        leave_out=((1, "below warning"), (2, "the incident was not told either"))
    )


def test_quiet_hours_hold_back_what_is_not_critical() -> None:
    waiting = (_waiting(1, NIGHT), _waiting(2, NIGHT, severity="critical"))
    planned = _plan(*waiting, now=NIGHT + 5 * SECOND, contact=SLEEPER)
    assert planned == Plan(send=(2,), look_at=MORNING)


def test_after_the_quiet_hours_all_goes_out_at_once() -> None:
    waiting = [_waiting(number, NIGHT) for number in range(50)]
    assert _plan(*waiting, now=MORNING, contact=SLEEPER).send == tuple(range(50))


def test_the_end_of_what_is_known_goes_out_at_night_too() -> None:
    end = _waiting(1, NIGHT, purpose="resolved", told=True)
    assert _plan(end, now=NIGHT + 5 * SECOND, contact=SLEEPER).send == (1,)


def test_the_end_of_what_was_held_back_is_held_back_with_it() -> None:
    begin, end = _waiting(1, NIGHT), _waiting(2, NIGHT, incident_id=1, purpose="resolved")
    assert _plan(begin, end, now=NIGHT + 9 * SECOND, contact=SLEEPER) == Plan(look_at=MORNING)
    assert _plan(begin, end, now=MORNING, contact=SLEEPER).send == (1, 2)


def test_the_end_of_what_is_not_out_yet_goes_with_it() -> None:
    begin = _waiting(1, NIGHT, severity="critical")
    end = _waiting(2, NIGHT + SECOND, incident_id=1, severity="critical", purpose="resolved")
    assert _plan(begin, end, now=NIGHT + 5 * SECOND, contact=SLEEPER).send == (1, 2)


def test_an_end_takes_along_what_waits_to_be_tried_again() -> None:
    retry = _waiting(1, NOON + 90 * SECOND, attempts=1)
    end = _waiting(2, incident_id=1, purpose="resolved", told=True)
    assert _plan(retry, end, now=NOON + 5 * SECOND).send == (1, 2)
