import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.records import LogLine
from flows.polling.payloads.log_payload import read_log_lines

NOW = datetime(2026, 1, 2, tzinfo=UTC)
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
KEY = ["-----BEGIN RSA PRIVATE KEY-----", "MIIEowIBAAKCAQEA", "abc/def+==",
       "-----END RSA PRIVATE KEY-----"]  # fmt: skip


def read(body: Any, limit: int = 200) -> list[LogLine]:
    if isinstance(body, str):
        body = body.encode()
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_log_lines("chatbot", NOW, None, body, limit=limit)


def messages(body: Any, limit: int = 200) -> list[str]:
    return [line.message for line in read(body, limit)]


def only(body: Any) -> LogLine:
    (line,) = read(body)
    return line


def test_the_standard_api_is_read() -> None:
    body = {"lines": [{"time": "2026-01-01T00:00:00Z", "level": "error", "message": "boom"}]}

    assert only(body) == LogLine(
        project="chatbot", recorded_at=NOW, logged_at=NEW_YEAR, level="error", message="boom"
    )


@pytest.mark.parametrize(
    "body",
    [
        {"lines": ["a", "b"]},
        {"logs": ["a", "b"]},
        {"data": {"entries": ["a", "b"]}},
        {"logs": "a\nb\n"},
        ["a", "b"],
        [{"message": "a"}, {"msg": "b"}],
        '{"message": "a"}\n{"event": "b"}\n',
        'a\n{"message": "b"}',
        "a\r\n\r\n  \nb\r\n",
        '"a\\nb"',
    ],
)
def test_every_usual_shape_is_understood(body: Any) -> None:
    assert messages(body) == ["a", "b"]


@pytest.mark.parametrize(
    "body", ["", "  \n ", "{}", "[]", '{"error": "no"}', "<html>x</html>", "<!DOCTYPE html>\n<p>x"]
)
def test_what_is_no_log_has_no_lines(body: str) -> None:
    assert read(body) == []


@pytest.mark.parametrize(
    ("line", "level", "message"),
    [
        ("2026-01-01T00:00:00Z ERROR boom", "error", "boom"),
        ("2026-01-01 00:00:00,000 - app.jobs - ERROR - boom", "error", "app.jobs - ERROR - boom"),
        ("2026-01-01 00:00:00.000 | WARNING  | a:b:1 - boom", "warning", "a:b:1 - boom"),
        ("2026/01/01 00:00:00 [error] 1#0: boom", "error", "1#0: boom"),
        ("[2026-01-01 00:00:00] prod.CRITICAL: boom", "critical", "prod.CRITICAL: boom"),
        ("2026-01-01T01:00:00+01:00 boom", None, "boom"),
        ('time="2026-01-01T00:00:00Z" level=warn msg=boom', "warning",
         'time="2026-01-01T00:00:00Z" level=warn msg=boom'),
    ],
)  # fmt: skip
def test_time_and_level_are_taken_from_the_front_of_a_line(
    line: str, level: str | None, message: str
) -> None:
    read_line = only(line)

    assert (read_line.logged_at, read_line.level, read_line.message) == (NEW_YEAR, level, message)


@pytest.mark.parametrize(
    ("line", "level", "message"),
    [
        ("[ERROR] boom", "error", "boom"),
        ("ERROR: boom", "error", "boom"),
        ("error: boom", "error", "boom"),
        ("WARN boom", "warning", "boom"),
        ("INFO:root:boom", "info", "root:boom"),
        ("FATAL - boom", "critical", "boom"),
        ("\x1b[31mERROR\x1b[0m boom", "error", "boom"),
        ("error rate is fine", None, "error rate is fine"),
        ("an ordinary line", None, "an ordinary line"),
        ("INFO", "info", "INFO"),
    ],
)
def test_a_level_is_recognised(line: str, level: str | None, message: str) -> None:
    read_line = only(line)

    assert (read_line.level, read_line.message) == (level, message)


@pytest.mark.parametrize(
    ("given_level", "level"),
    [("WARN", "warning"), ("Information", "info"), ("fatal", "critical"), (50, "error"),
     (30, "info"), ("audit", "audit"), (True, None), ("x" * 50, None), ({"a": 1}, None)],
)  # fmt: skip
def test_levels_are_named_alike(given_level: Any, level: str | None) -> None:
    assert only([{"severity": given_level, "message": "boom"}]).level == level


@pytest.mark.parametrize("key", ["time", "timestamp", "ts", "@timestamp"])
@pytest.mark.parametrize(
    "instant",
    ["2026-01-01T00:00:00Z", "2026-01-01 00:00:00", "2026-01-01T01:00:00+01:00",
     "2026/01/01 00:00:00 +0000", "2026-01-01 00:00:00,000 UTC",
     "2026-01-01T00:00:00.000000000Z", 1767225600, 1767225600.0, 1767225600000, "1767225600",
     1767225600000000, 1767225600000000000],
)  # fmt: skip
def test_times_in_iso_and_epoch_are_understood(key: str, instant: Any) -> None:
    assert only([{key: instant, "message": "boom"}]).logged_at == NEW_YEAR


@pytest.mark.parametrize("instant", ["soon", True, -1, 5, 1e40, "9" * 30, None, [], "0001-01-01"])
def test_what_is_no_time_is_left_out(instant: Any) -> None:
    assert only([{"time": instant, "message": "boom"}]).logged_at is None


def test_a_traceback_beside_the_message_joins_it() -> None:
    line = only([{"message": "boom", "exception": "Traceback:\n  File x\nValueError"}])

    assert line.message == "boom ⏎ Traceback: ⏎ File x ⏎ ValueError"


def test_an_object_without_a_message_is_shown_as_json() -> None:
    assert messages([{"a": 1, "password": "hunter2"}])[0].startswith(
        '{"a":1,"password":"[redacted:'
    )


def test_controls_and_terminal_sequences_are_removed() -> None:
    line = only(["\x1b]0;title\x07a\x00b\x1b[1;31mc\x1b[0m\td\r\ne\u202ef\ud800\x9b"])

    assert line.message == "abc d ⏎ ef"


def test_secrets_are_redacted_before_a_line_is_cut() -> None:
    line = only(["x" * 1_990 + " password=hunter2hunter2"])

    assert len(line.message) == 2_000
    assert "hunter2" not in line.message
    assert line.message.endswith("…")


def test_a_terminal_sequence_does_not_hide_a_secret() -> None:
    assert "hunter2" not in messages("pass\x1b[0mword=hun\x1b[1mter2")[0]


@pytest.mark.parametrize("prefix", ["", "2026-01-01T00:00:00Z ERROR "])
def test_a_private_key_that_is_logged_line_by_line_becomes_one_line(prefix: str) -> None:
    lines = [prefix + line for line in ["before", *KEY, "after"]]

    first, key, last = messages("\n".join(lines))

    assert (first, last) == ("before", "after")
    assert key.startswith("[redacted:private_key:")
    assert len(messages(lines, limit=1)) == 1
    assert messages(lines[:-1], limit=2) == ["before", key]


def test_a_beginning_without_a_key_hides_nothing_else() -> None:
    lines = [KEY[0], "an ordinary line", "MIIEowIBAAKCAQEA"]

    assert messages(lines)[1:] == lines[1:]


def test_the_last_lines_are_kept_oldest_first() -> None:
    assert messages("\n".join(map(str, range(1_000))), limit=3) == ["997", "998", "999"]
    assert messages([str(i) for i in range(1_000)], limit=2) == ["998", "999"]
    assert messages("a\nb", limit=0) == []


def test_a_list_with_the_newest_first_is_turned_round() -> None:
    lines = [{"time": 1767225600 + second, "message": str(second)} for second in (3, 2, 1)]

    assert messages(lines, limit=2) == ["2", "3"]


@settings(deadline=None)
@given(st.binary() | st.text().map(str.encode))
def test_no_body_raises(body: bytes) -> None:
    for line in read(body):
        line.message.encode()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["lines", "message", "time", "level", "error"]) | st.text(),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(json_values)
def test_no_json_raises(document: Any) -> None:
    for line in read(document):
        assert 0 < len(line.message) <= 2_000
        assert "\n" not in line.message
        line.message.encode()


@pytest.mark.parametrize(
    "body",
    ["\n" * 2_000_000, "x" * 2_000_000, "a b " * 500_000, "{" * 1_000_000, "[" * 1_000_000,
     '{"a":' * 100_000, "\x1b[" * 1_000_000, "\x1b]" * 1_000_000, "ERROR " * 300_000,
     ("password=" * 1_000 + "\n") * 200, '["' + "\\ud800" * 300_000 + '"]',
     "[" + "{}," * 600_000 + "{}]"],
    ids=lambda body: repr(body[:12]),
)  # fmt: skip
def test_a_hostile_body_is_read_in_bounded_time(body: str) -> None:
    started = time.process_time()

    read(body)

    assert time.process_time() - started < 5
