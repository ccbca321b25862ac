import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.records import StatusReport
from flows.polling.payloads.status_payload import read_status

NOW = datetime(2026, 1, 2, tzinfo=UTC)
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def read(document: Any) -> StatusReport:
    report = read_status("chatbot", NOW, json.dumps(document).encode())
    assert report is not None
    return report


def test_the_standard_api_is_read() -> None:
    document = {
        "name": "chatbot",
        "version": "1.4.2",
        "state": "running",
        "started_at": "2026-01-01T00:00:00Z",
        "deployed_at": "2026-01-01T01:00:00+01:00",
        "uptime_s": 86_400.5,
    }

    assert read(document) == StatusReport(
        project="chatbot",
        recorded_at=NOW,
        version="1.4.2",
        started_at=NEW_YEAR,
        deployed_at=NEW_YEAR,
        state="running",
        other={"name": "chatbot", "uptime_s": 86_400.5},
    )


@pytest.mark.parametrize(
    ("key", "value", "field", "expected"),
    [
        ("appVersion", "2", "version", "2"),
        ("release", 7, "version", "7"),
        ("commit", "abc123", "version", "abc123"),
        ("status", "paused", "state", "paused"),
        ("startTime", 1767225600, "started_at", NEW_YEAR),
        ("start-time", 1767225600000, "started_at", NEW_YEAR),
        ("startedAt", "2026-01-01T00:00:00", "started_at", NEW_YEAR),
        ("deployTime", "1767225600", "deployed_at", NEW_YEAR),
        ("Released At", "2026-01-01T00:00:00Z", "deployed_at", NEW_YEAR),
    ],
)
def test_usual_keys_are_understood(key: str, value: Any, field: str, expected: Any) -> None:
    report = read({key: value})

    assert getattr(report, field) == expected
    assert report.other == {}


def test_a_document_that_is_wrapped_is_understood() -> None:
    report = read({"data": {"version": "3", "state": "running"}, "build": {"version": "4"}})

    assert (report.version, report.state) == ("3", "running")


def test_a_value_that_does_not_fit_its_field_stays_with_the_others() -> None:
    report = read({"version": {"number": "8.1"}, "state": True, "started_at": "yesterday"})

    assert (report.version, report.state, report.started_at) == (None, None, None)
    assert report.other == {"version": {"number": "8.1"}, "state": True, "started_at": "yesterday"}


@pytest.mark.parametrize(
    "body", [b"", b"OK", b"[]", b'"x"', b"null", b"{", b"\xff", b"[" * 100_000]
)
def test_what_is_no_json_object_is_no_report(body: bytes) -> None:
    assert read_status("chatbot", NOW, body) is None


def test_secrets_are_redacted_by_shape_and_by_name() -> None:
    report = read(
        {
            "url": "postgres://app:hunter2@db/x",
            "db": {"password": "hunter2", "credentials": {"api_key": ["hunter2", 1]}},
            "token": 12_345,
            "tokens_used": 5,
            "token_expired": False,
        }
    )

    shown = json.dumps(report.other)
    assert "hunter2" not in shown
    assert "12345" not in shown
    assert report.other["tokens_used"] == 5
    assert report.other["token_expired"] is False


def test_others_stay_small() -> None:
    report = read(
        {
            "long": "x" * 5_000,
            "list": list(range(1_000)),
            "deep": {"a": {"b": {"c": {"d": {"e": 1}}}}},
            "fits": 1,
            **{f"key{i}": i for i in range(100)},
        }
    )

    assert len(report.other) == 50
    assert len(report.other["long"]) == 500
    assert report.other["list"] == list(range(50))
    assert report.other["deep"] == {"a": {"b": {"c": {"d": None}}}}
    assert report.other["fits"] == 1


def test_what_does_not_fit_into_four_kilobytes_is_left_out_as_a_whole() -> None:
    report = read({f"key{i}": "x" * 400 for i in range(20)} | {"small": 1})

    assert len(json.dumps(report.other)) <= 4_096
    assert report.other["small"] == 1
    assert 5 < len(report.other) < 12


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["version", "state", "data", "started_at", "token"]) | st.text(),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


def texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for each in value:
            yield from texts_in(each)
            yield from texts_in(value[each] if isinstance(value, dict) else None)


@settings(deadline=None)
@given(st.dictionaries(st.text(), json_values))
def test_what_is_read_can_be_stored(document: Any) -> None:
    report = read(document)

    stored = json.dumps(report.other, allow_nan=False)
    assert len(stored) <= 4_096
    for text in texts_in([report.version, report.state, report.other]):
        assert "\x00" not in text.encode().decode()


@settings(deadline=None)
@given(st.binary())
def test_no_body_raises(body: bytes) -> None:
    read_status("chatbot", NOW, body)


@pytest.mark.parametrize(
    "body",
    [
        '{"a": [' + "[1]," * 400_000 + "1]}",
        "{" + ",".join(f'"k{i}": {{"a": "b"}}' for i in range(100_000)) + "}",
        '{"a": "' + "password=" * 200_000 + '"}',
        '{"' + "a" * 2_000_000 + '": 1}',
        '{"a": ' + "9" * 2_000_000 + "}",
    ],
    ids=lambda body: repr(body[:12]),
)
def test_a_hostile_body_is_read_in_bounded_time(body: str) -> None:
    started = time.process_time()

    read_status("chatbot", NOW, body.encode())

    assert time.process_time() - started < 5
