"""What a message says: one thing in full, many in short, and nothing that passes for ours."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.notification.instants import shown, written
from actions.notification.message import compose
from actions.notification.plain_text import lines, one_line
from actions.notification.templating import Templates, Text
from data.notices import Notice

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
BUILT_IN = Templates(None, None)


def _notice(number: int, **changed: Any) -> Notice:
    fields: dict[str, Any] = {
        "purpose": "escalation",
        "severity": "warning",
        "subject": f"project-{number} is down",
        "body": "timed out",
        "incident_id": number,
        "attempt_id": None,
        "project": f"project-{number}",
        "kind": "down",
        "opened_at": NOW - timedelta(minutes=3),
        "resolved_at": None,
        "acknowledged_by": None,
        "attempt_state": None,
        "expires_at": None,
        **changed,
    }
    return Notice(
        id=number,
        contact="oncall",
        created_at=NOW,
        due_at=NOW,
        group_id=None,
        leased_by=None,
        attempts=1,
        delivered=[],
        last_error=None,
        sent_at=None,
        given_up_at=None,
        left_out_at=None,
        **fields,
    )


def _approval(number: int, attempt_id: UUID) -> Notice:
    command = f"Decide:\n  opslore approvals approve {number}"
    return _notice(
        number, purpose="approval", attempt_id=attempt_id, subject="restart it?", body=command
    )


def _text(*notices: Notice, templates: Templates = BUILT_IN) -> Text:
    return templates.render(compose(notices, BERLIN, NOW), "oncall")


def test_one_incident_is_told_in_full_and_in_local_time() -> None:
    text = _text(_notice(7, severity="critical", acknowledged_by="ann"))
    assert text.subject == "[critical] project-7 is down"
    assert text.body.splitlines() == [
        "timed out",
        "Incident 7, since 12:57:00 CET, for 3m.",
        "ann takes care of it.",
    ]


def test_what_began_on_another_day_has_its_date() -> None:
    text = _text(_notice(7, opened_at=NOW - timedelta(days=1)))
    assert "since 2025-12-31 13:00 CET, for 1d." in text.body


def test_the_end_of_an_incident_says_how_long_it_lasted() -> None:
    text = _text(_notice(7, purpose="resolved", body="healthy again", resolved_at=NOW))
    assert text.subject == "[resolved] project-7 is down after 3m"
    assert text.body.splitlines()[0] == "healthy again"


def test_what_began_and_ended_before_it_was_told_is_told_as_over() -> None:
    end = _notice(8, incident_id=7, purpose="resolved", subject="a is down", resolved_at=NOW)
    message = compose([_notice(7), _notice(9, incident_id=7), end], BERLIN, NOW)
    assert message.is_over
    assert [(one.subject, one.count) for one in message.resolved] == [("a is down", 3)]


def test_what_an_action_tells_is_not_hidden_by_the_end_of_its_incident() -> None:
    end = _notice(8, incident_id=7, purpose="resolved", resolved_at=NOW)
    message = compose([_notice(7, purpose="action", subject="still paused"), end], BERLIN, NOW)
    assert [entry.subject for entry in message.problems] == ["still paused"]
    assert not message.is_over


def test_every_instant_is_shown_on_the_clock_of_the_contact() -> None:
    lines = (
        "Decide until 2026-01-01T12:30:00Z:",
        "Deployed at 2025-12-31T23:30:00Z; 2026-13-01T00:00:00Z",
    )
    body = "\n".join(lines)
    assert _text(_notice(7, body=body)).body.splitlines()[:2] == [
        "Decide until 13:30:00 CET:",
        "Deployed at 00:30:00 CET; 2026-13-01T00:00:00Z",
    ]


def test_an_instant_is_written_as_it_is_read() -> None:
    at = datetime(2026, 1, 1, 13, 0, 0, 250, tzinfo=BERLIN)
    assert written(at) == "2026-01-01T12:00:00Z"
    assert shown(f"at {written(at)}.", lambda instant: f"{instant:%H:%M %Z}") == "at 12:00 UTC."


@pytest.mark.parametrize("value", ["93", "1,234", "-1.2e+04"])
def test_what_is_over_is_not_said_to_be_so_now(value: str) -> None:
    title = "a: memory_percent above 85 in 3 of the last 3 samples"
    over = _notice(7, purpose="resolved", subject=f"{title}, now {value}", resolved_at=NOW)
    assert compose([over], BERLIN, NOW).resolved[0].subject == title
    assert _text(_notice(7, subject=f"{title}, now {value}")).subject.endswith(f"now {value}")


def test_each_incident_of_a_group_keeps_what_can_be_done() -> None:
    commands = ["Act: opslore actions run a ACTION", "Look: opslore incidents show 7"]
    body = "\n".join(["timed out", *commands])
    text = _text(_notice(7, body=body), _notice(8, body=body))
    for command in commands:
        assert text.body.splitlines().count(f"    {command}") == 2
    assert "timed out" not in text.body


def test_a_subject_is_not_said_twice() -> None:
    text = _text(_notice(7, body="project-7 is down\nSince 12:57"))
    assert text.body.splitlines()[0] == "Since 12:57"


def test_fifty_failures_are_one_message_with_the_first_and_worst_ten() -> None:
    notices = [
        _notice(number, kind="down" if number <= 31 else "response_ms") for number in range(1, 51)
    ]
    notices[40] = _notice(41, kind="response_ms", severity="critical")
    text = _text(*notices)
    assert text.subject == "[critical] 50 incidents: 31 down, 19 response_ms"
    listed = [line for line in text.body.splitlines() if line.startswith("- [")]
    assert len(listed) == 10
    assert listed[0] == "- [critical] project-41 is down (incident 41, since 12:57:00 CET, for 3m)"
    assert listed[1].startswith("- [warning] project-1 ")
    assert "- and 40 more: opslore incidents list --open" in text.body


def test_each_question_in_a_group_keeps_its_command() -> None:
    text = _text(_notice(7), _approval(8, uuid4()), _approval(9, uuid4()))
    assert text.subject == "[warning] 1 incident: 1 down; 2 to approve"
    assert "opslore approvals approve 8" in text.body
    assert "opslore approvals approve 9" in text.body


def test_a_question_has_the_link_of_its_contact() -> None:
    attempt_id = uuid4()
    asked = [_notice(7), _approval(8, attempt_id)]
    link = f"https://ops.example/approvals/{'t' * 400}"

    def link_for(attempt: UUID, contact: str, until: datetime | None) -> str | None:
        return link if (attempt, contact, until) == (attempt_id, "oncall", None) else None

    for notices in (asked, asked[1:]):
        text = BUILT_IN.render(compose(notices, BERLIN, NOW, link_for), "oncall")
        assert link in map(str.strip, text.body.splitlines())


def test_a_question_that_was_decided_meanwhile_is_not_asked() -> None:
    asked = replace(_approval(8, uuid4()), attempt_state="rejected")
    text = _text(asked)
    assert text.subject == "[warning] restart it? (rejected)"
    assert "opslore approvals approve" not in text.body


def test_one_incident_told_again_and_again_is_one_entry() -> None:
    assert _text(_notice(7), _notice(8, incident_id=7, subject="newest")).subject == (
        "[warning] newest"
    )


def test_a_digest_of_ends_sounds_no_alarm() -> None:
    ended = [_notice(n, purpose="resolved", resolved_at=NOW, severity="critical") for n in (1, 2)]
    assert _text(*ended).subject == "2 resolved"
    assert compose(ended, BERLIN, NOW).severity == "info"


def test_many_kinds_are_counted_in_short() -> None:
    message = compose([_notice(n, kind=f"kind-{n}") for n in range(1, 9)], BERLIN, NOW)
    assert message.summary.endswith("1 kind-5, 3 of other kinds")


def test_a_subject_cannot_forge_a_line() -> None:
    forged = "down\n\nTo approve:\n  opslore approvals approve 1\x1b[2K\u202e"
    text = _text(_notice(7, subject=forged), _notice(8))
    assert not any(line.strip().startswith("opslore") for line in text.body.splitlines())
    assert "To approve:" not in text.body.splitlines()
    assert "\x1b" not in text.body
    assert "\u202e" not in text.body


def test_no_message_is_longer_than_services_take() -> None:
    text = _text(_notice(7, subject="x" * 5_000, body="y" * 50_000 + "\n" + "z\n" * 5_000))
    assert len(text.subject) == 120
    assert len(text.body) <= 6_002


@given(st.text(), st.integers(2, 200))
def test_any_text_becomes_one_printable_line_within_its_limit(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert line.isprintable()


@given(st.text())
def test_any_body_becomes_printable_lines(body: str) -> None:
    told = lines(body)
    assert len(told) <= 31
    assert all(line.isprintable() and len(line) <= 310 for line in told)


def test_a_body_keeps_its_lines_and_their_indent() -> None:
    assert lines("Decide:\n\tapprove\n\n  reject\r\n") == ["Decide:", "  approve", "  reject"]


def test_a_folder_may_have_templates_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "single.txt").write_text(
        "Hello {{ contact }}\n\n{{ message.only.subject }}: {{ public_url }}\n"
    )
    own = Templates(tmp_path, "https://ops.example")
    assert own.faults() == []
    assert _text(_notice(7), templates=own) == Text(
        subject="Hello oncall", body="project-7 is down: https://ops.example"
    )
    assert _text(_notice(7), _notice(8), templates=own).subject.startswith("[warning] 2 incidents")


@pytest.mark.parametrize(
    "template",
    ["{% if %}", "{{ nonsense.x }}", "{{ ''.__class__.__mro__ }}", "{% for x in range(10**9) %}"],
)
def test_a_template_that_fails_loses_no_notice(tmp_path: Path, template: str) -> None:
    (tmp_path / "single.txt").write_text(template)
    own = Templates(tmp_path, None)
    assert _text(_notice(7), templates=own).subject == "[warning] project-7 is down"


def test_faults_of_templates_are_told(tmp_path: Path) -> None:
    (tmp_path / "group.txt").write_text("{% if %}")
    (fault,) = Templates(tmp_path, None).faults()
    assert fault.startswith("the template group.txt is not used: ")
    assert "does not exist" in Templates(tmp_path / "gone", None).faults()[0]
