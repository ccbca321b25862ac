"""Contacts: addresses that no message repeats, quiet hours by the local clock, known names."""

from datetime import datetime

import pytest

from config.contacts import Contact, QuietHours, unknown_contacts
from config.escalation import EscalationStep, Severity
from config.section import Section
from config.validation import Origin, examine
from config.yaml_source import parse_yaml

NIGHT = QuietHours(from_="22:00", until="07:00", timezone="Europe/Berlin")


class Contacts(Section):
    """As the hub file has them."""

    contacts: dict[str, Contact]


def _faults(fields: str) -> list[str]:
    document = parse_yaml(f"contacts:\n  oncall: {{{fields}}}\n", "hub.yaml")
    faults = [*examine(Contacts, document.value, Origin(document))[1], *document.faults]
    return [f"{fault.field.removeprefix('contacts.oncall.')}: {fault.problem}" for fault in faults]


@pytest.mark.parametrize(
    "urls",
    [
        '["${ONCALL_URL}"]',
        '"${A}/${B}"',
        "[slack://a/b/c]",
        '["mailto://${USER}:${PW}@x", 46elks://x]',
    ],
)
def test_an_address_is_a_template_or_begins_with_its_service(urls: str) -> None:
    assert _faults(f"urls: {urls}") == []


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ("urls: [hunter2]", "urls: must begin with a service, as in slack://… or mailto://…"),
        ("urls: [12345]", "urls: must be a text such as slack://…, got a number"),
        ("urls: {a: hunter2}", "urls: must be a list of addresses, got a mapping"),
        ("urls: []", "urls: must be 1 to 20 addresses, got 0"),
        (
            "urls: [slack://$hunter2]",
            "urls: must have ${NAME}, ${NAME:-default} or $$ for a dollar sign;"
            " the $ at character 9 begins none of them",
        ),
        (
            "urls: [a1://b], timezone: Berlin",
            'timezone: must be a time zone such as Europe/Berlin, got "Berlin"',
        ),
        (
            'urls: [a1://b], quiet_hours: {from: "7:00", until: "08:00"}',
            'quiet_hours.from: must be a time of day, as "22:00" in quotes, got "7:00"',
        ),
        (
            'urls: [a1://b], quiet_hours: {from: "08:00", until: "08:00"}',
            "quiet_hours: must not end at the minute when they begin",
        ),
        ('urls: [a1://b], quiet_hours: {from: "08:00"}', "quiet_hours.until: is missing"),
        (
            "urls: [a1://b], least_severity: high",
            'least_severity: must be one of info, warning, critical, got "high"',
        ),
    ],
)
def test_a_fault_is_told_by_its_field_without_an_address(fields: str, fault: str) -> None:
    (told,) = _faults(fields)
    assert told.partition(": did")[0] == fault


def test_no_address_is_shown_with_the_contact() -> None:
    assert "hunter2" not in repr(Contact(urls=("slack://hunter2",)))


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-01-10T20:59:00Z", None),
        ("2026-01-10T21:00:00Z", "2026-01-11T06:00:00Z"),
        ("2026-01-11T05:59:00Z", "2026-01-11T06:00:00Z"),
        ("2026-01-11T06:00:00Z", None),
        ("2026-07-10T20:00:00Z", "2026-07-11T05:00:00Z"),
        ("2026-03-28T21:30:00Z", "2026-03-29T05:00:00Z"),  # the night that has no 02:30
        ("2026-10-24T20:30:00Z", "2026-10-25T06:00:00Z"),  # the night that has it twice
    ],
)
def test_quiet_hours_go_by_the_local_clock(now: str, end: str | None) -> None:
    expected = datetime.fromisoformat(end) if end else None
    assert NIGHT.end(datetime.fromisoformat(now), "warning") == expected


@pytest.mark.parametrize(
    ("severity", "held"), [("info", True), ("warning", True), ("critical", False)]
)
def test_quiet_hours_are_not_for_what_is_severe(severity: Severity, *, held: bool) -> None:
    night = datetime.fromisoformat("2026-01-10T23:00:00Z")
    assert (NIGHT.end(night, severity) is not None) is held


def test_quiet_hours_may_lie_within_a_day() -> None:
    lunch = QuietHours(from_="12:00", until="13:00")
    noon = datetime.fromisoformat("2026-01-10T12:00:00Z")
    assert lunch.end(noon, "info") == datetime.fromisoformat("2026-01-10T13:00:00Z")
    assert lunch.end(datetime.fromisoformat("2026-01-10T23:00:00Z"), "info") is None


def test_times_are_shown_in_the_zone_of_the_contact_or_else_of_its_quiet_hours() -> None:
    assert str(Contact(urls=("a1://b",)).zone) == "UTC"
    assert str(Contact(urls=("a1://b",), quiet_hours=NIGHT).zone) == "Europe/Berlin"
    assert str(Contact(urls=("a1://b",), timezone="Asia/Tokyo", quiet_hours=NIGHT).zone) == (
        "Asia/Tokyo"
    )


def test_a_step_for_nobody_is_found_with_the_nearest_name() -> None:
    chain = [EscalationStep(notify="oncall"), EscalationStep(notify="laed")]
    assert unknown_contacts(chain, ["oncall", "lead"]) == [
        (1, 'must be a contact of the hub file, got "laed": did you mean lead?')
    ]
