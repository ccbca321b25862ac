import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.records import HealthStatus
from flows.polling.payloads.health_payload import Health, read_health


def health(code: int, body: Any = b"") -> Health:
    if isinstance(body, str):
        body = body.encode()
    return read_health(code, None, body if isinstance(body, bytes) else json.dumps(body).encode())


@pytest.mark.parametrize("code", [200, 204, 301, 304])
def test_without_a_body_a_good_code_is_healthy(code: int) -> None:
    assert health(code) == Health(status="healthy")


@pytest.mark.parametrize("code", [400, 401, 404, 500, 502, 503, 0, 999])
def test_without_a_body_a_bad_code_is_down(code: int) -> None:
    assert health(code) == Health(status="down", detail=f"HTTP {code}")


def test_too_many_requests_is_degraded() -> None:
    assert health(429) == Health(status="degraded", detail="HTTP 429")


@pytest.mark.parametrize(
    "word",
    ["healthy", "OK", "okay", "pass", "passing", "UP", "alive", "ready", "running", "true",
     "green", "Success"],
)  # fmt: skip
def test_a_good_word_is_healthy(word: str) -> None:
    assert health(200, {"status": word}) == Health(status="healthy")
    assert health(200, word) == Health(status="healthy")


@pytest.mark.parametrize("word", ["degraded", "WARN", "warning", "partial", "yellow", "unstable"])
def test_a_worrying_word_is_degraded(word: str) -> None:
    assert health(200, {"status": word}) == Health(status="degraded", detail=f'says "{word}"')
    assert health(200, word).status == "degraded"


@pytest.mark.parametrize(
    "word",
    ["down", "FAIL", "failed", "failing", "critical", "error", "unhealthy", "dead", "red",
     "OUT_OF_SERVICE", "out of service", "stopped", "false"],
)  # fmt: skip
def test_a_bad_word_is_down(word: str) -> None:
    assert health(200, {"status": word}) == Health(status="down", detail=f'says "{word}"')
    assert health(200, word).status == "down"


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ({"state": "running"}, "healthy"),
        ({"health": "true", "reason": ""}, "healthy"),
        ({"health": "false", "reason": ""}, "down"),
        ({"result": "fail"}, "down"),
        ({"ok": True}, "healthy"),
        ({"ok": False}, "down"),
        ({"healthy": False}, "down"),
        ({"status": "UP"}, "healthy"),
        ({"data": {"status": "degraded"}}, "degraded"),
        ({"status": {"state": "down"}}, "down"),
        ({"success": True, "data": {"status": "down"}}, "down"),
        ({"status": "healthy", "ok": False}, "down"),
        ({"status": 503}, "down"),
        ({"status": 200}, "healthy"),
        ({"result": [1, 2]}, "healthy"),
        (True, "healthy"),
        (False, "down"),
        ("DOWN", "down"),
        (None, "healthy"),
        (12, "healthy"),
        ([{"status": "down"}], "healthy"),
        ({"deep": {"status": "down"}}, "healthy"),
    ],
)
def test_json_tells_the_status(document: Any, status: str) -> None:
    assert health(200, document).status == status


def test_the_worse_of_code_and_body_counts() -> None:
    assert health(503, {"status": "UP"}) == Health(
        status="down", detail='HTTP 503, though it says "UP"'
    )
    assert health(503, {"status": "degraded"}) == Health(
        status="down", detail='HTTP 503, though it says only "degraded"'
    )
    assert health(200, {"status": "down"}).status == "down"
    assert health(429, {"status": "down"}).status == "down"
    assert health(429, {"status": "ok"}).status == "degraded"


def test_a_word_nobody_knows_is_told() -> None:
    assert health(200, {"status": "starting"}) == Health(
        status="healthy", detail='its status "starting" is not a known word'
    )


def test_the_failing_check_explains() -> None:
    document = {
        "status": "down",
        "checks": {
            "queue": {"status": "down", "detail": "backlog of 1,200"},
            "database": {"status": "healthy", "detail": "fine"},
        },
    }

    assert health(503, document) == Health(
        status="down", detail="HTTP 503: queue: backlog of 1,200"
    )
    assert health(200, document) == Health(status="down", detail="queue: backlog of 1,200")


@pytest.mark.parametrize(
    ("document", "detail"),
    [
        (
            {"status": "warn", "checks": {"db:latency": [{"status": "warn", "output": "slow"}]}},
            "db:latency: slow",
        ),
        (
            {
                "status": "DOWN",
                "components": {
                    "db": {"status": "DOWN", "details": {"error": "connection refused"}},
                    "disk": {"status": "UP"},
                },
            },
            "db: connection refused",
        ),
        (
            {"status": "DOWN", "checks": [{"name": "db", "status": "DOWN"}]},
            "db: DOWN",
        ),
        (
            {"status": "error", "error": {"redis": {"status": "down", "message": "timeout"}}},
            "redis: timeout",
        ),
        (
            {"status": "Unhealthy", "entries": {"s3": {"status": "Unhealthy", "description": "x"}}},
            "s3: x",
        ),
        ({"status": "fail", "checks": {"db": False, "ok": True}}, "db: False"),
        ({"status": "fail", "output": "no leader"}, "no leader"),
        ({"health": "false", "reason": "NOSPACE"}, "NOSPACE"),
    ],
)
def test_the_usual_ways_to_explain_are_understood(document: Any, detail: str) -> None:
    assert health(200, document).detail == detail


def test_of_many_failing_checks_three_are_named() -> None:
    document = {"status": "down", "checks": {f"c{i}": "down" for i in range(1_500)}}

    assert health(200, document).detail == "c0: down; c1: down; c2: down; and 997 more"


def test_a_failing_check_is_told_even_when_the_whole_is_healthy() -> None:
    document = {"status": "ok", "checks": {"mail": {"status": "warn", "detail": "slow"}}}

    assert health(200, document) == Health(status="healthy", detail="mail: slow")


def test_failing_checks_without_a_word_for_the_whole_are_degraded() -> None:
    document = {"checks": {"db": {"status": "down"}, "mail": {"status": "up"}}}

    assert health(200, document) == Health(status="degraded", detail="db: down")


@pytest.mark.parametrize(
    "text",
    ["OK", "healthy\n", "Prometheus Server is Healthy.", "no errors, all ok", "errors: 0",
     "failed: 0", "Error rate: 0%", "failed jobs: 3", "Down to earth service", "no downtime",
     "<html><body>down</body></html>", "<h1>Down</h1>", "up and running, nothing down",
     "backup failed, but recovered", "x" * 60 + " is down", "critical: none", "hello"],
)  # fmt: skip
def test_text_that_is_no_clear_complaint_leaves_it_to_the_code(text: str) -> None:
    assert health(200, text) == Health(status="healthy")


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("DOWN", "down"),
        ("Unhealthy.", "down"),
        ("down: database unreachable", "down"),
        ("Prometheus Server is Unhealthy.", "down"),
        ("service is not ready", "down"),
        ("Status: degraded", "degraded"),
        ("the server is currently out of service", "down"),
        ("service unavailable", "down"),
        ("WARNING - disk 91% full", "degraded"),
    ],
)
def test_a_short_text_that_is_a_clear_complaint_counts(text: str, status: HealthStatus) -> None:
    assert health(200, text) == Health(status=status, detail=text)


@pytest.mark.parametrize(
    ("code", "body", "detail"),
    [
        (404, "404 page not found", "HTTP 404: 404 page not found"),
        (404, "Not Found", "HTTP 404"),
        (404, {"detail": "Not Found"}, "HTTP 404"),
        (500, "database is locked", "HTTP 500: database is locked"),
        (500, {"message": "boom"}, "HTTP 500: boom"),
        (502, "<html><h1>502 Bad Gateway</h1></html>", "HTTP 502"),
        (503, "OK", 'HTTP 503, though it says "OK"'),
        (500, "x" * 200, "HTTP 500"),
    ],
)
def test_what_comes_with_a_bad_code_is_told_when_it_is_news(
    code: int, body: Any, detail: str
) -> None:
    assert health(code, body).detail == detail


def test_a_detail_holds_no_secret_and_is_one_line() -> None:
    document = {
        "status": "down",
        "message": "no route to\npostgres://app:hunter2@db/x\u0000\x1b[1m",
    }

    detail = health(200, document).detail

    assert detail is not None
    assert "hunter2" not in detail
    assert detail.startswith("no route to ⏎ postgres://app:[redacted:url:")
    assert detail.isprintable()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["status", "checks", "data", "error", "name", "detail"]) | st.text(),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(st.integers(), st.binary() | st.text().map(str.encode))
def test_no_body_raises(code: int, body: bytes) -> None:
    read_health(code, "text/html", body)


@settings(deadline=None)
@given(json_values)
def test_no_json_raises(document: Any) -> None:
    detail = health(200, document).detail

    assert detail is None or (len(detail) < 800 and detail.encode())


@pytest.mark.parametrize(
    "body", ["[" * 200_000, '{"status":' * 100_000, "is " * 600_000, '{"a":' + "1" * 9_000 + "}"]
)
def test_a_hostile_body_leaves_it_to_the_code(body: str) -> None:
    assert health(200, body) == Health(status="healthy")
