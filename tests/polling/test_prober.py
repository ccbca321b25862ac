import asyncio
import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from config.projects_file import ProjectSpec
from flows.polling.payloads import health_payload
from flows.polling.prober import Prober
from tests.polling.hostile import (
    HEALTHY,
    Handler,
    answering,
    read_request,
    response,
    serving,
    stalling,
    unused_port,
)

Clock = Callable[[], float]


@contextlib.asynccontextmanager
async def prober_of(
    url: str,
    *,
    environ: Mapping[str, str] | None = None,
    on_peer_lost: Callable[[str], None] | None = None,
    clock: Clock = monotonic,
    **fields: object,
) -> AsyncIterator[Prober]:
    spec = ProjectSpec.model_validate(
        {"name": "mailer", "url": url, "timeouts": {"health": "1s", "metrics": "1s"}} | fields
    )
    prober = Prober(spec, on_peer_lost=on_peer_lost, environ=environ or {}, clock=clock)
    try:
        yield prober
    finally:
        await prober.aclose()


def routes(answers: Mapping[str, bytes]) -> Handler:
    """Answer by path, without the query."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            path = (await read_request(reader)).split(b" ")[1].decode().partition("?")[0]
            writer.write(answers.get(path) or response(b"", status=b"404 Not Found"))

    return handle


async def test_a_healthy_project_is_measured() -> None:
    async with (
        serving(answering(response(), hold=True)) as server,
        prober_of(server.url) as prober,
    ):
        before = datetime.now(UTC)
        sample = await prober.probe_health()
    assert (sample.project, sample.status, sample.http_status) == ("mailer", "healthy", 200)
    assert sample.detail is None
    assert sample.response_ms is not None
    assert 0 < sample.response_ms < 1_000
    assert before <= sample.recorded_at <= before + timedelta(seconds=0.5)


async def test_a_probe_is_recorded_at_its_start() -> None:
    async with (
        serving(stalling()) as server,
        prober_of(server.url, timeouts={"health": "300ms"}) as prober,
    ):
        sample = await prober.probe_health()
        assert datetime.now(UTC) - sample.recorded_at > timedelta(seconds=0.25)


async def test_what_the_project_says_of_itself_counts() -> None:
    body = b'{"status": "degraded", "checks": {"queue": {"status": "down", "detail": "full"}}}'
    async with (
        serving(answering(response(body), hold=True)) as server,
        prober_of(server.url) as prober,
    ):
        sample = await prober.probe_health()
    assert (sample.status, sample.http_status) == ("degraded", 200)
    assert sample.detail == "queue: full"


async def test_the_paths_stand_below_the_url() -> None:
    async with (
        serving(answering(response(), hold=True)) as server,
        prober_of(f"{server.url}/base", paths={"health": "/live?deep=1"}) as prober,
    ):
        await prober.probe_health()
    assert server.requests[0].startswith(b"GET /base/live?deep=1 HTTP/1.1\r\n")


async def test_headers_of_the_user_are_resolved_and_sent() -> None:
    headers = {"Authorization": "Bearer ${MAILER_TOKEN}", "user-agent": "mine"}
    async with (
        serving(answering(response(), hold=True)) as server,
        prober_of(server.url, headers=headers, environ={"MAILER_TOKEN": "t0ken"}) as prober,
    ):
        await prober.probe_health()
    assert b"\r\nauthorization: bearer t0ken\r\n" in server.requests[0].lower()
    assert server.requests[0].lower().count(b"user-agent: ") == 1
    assert b"mine" in server.requests[0]


async def test_with_a_missing_secret_nothing_is_sent() -> None:
    async with (
        serving(answering(response(), hold=True)) as server,
        prober_of(server.url, headers={"X-Key": "${MAILER_KEY}"}) as prober,
    ):
        health = await prober.probe_health()
        metrics = await prober.scrape_metrics()
        assert await prober.read_status() is None
        assert await prober.read_logs() == []
    assert health.status == "unknown"
    assert health.detail == "not asked: the secret MAILER_KEY for the header X-Key is not set"
    assert metrics.detail == health.detail
    assert metrics.cpu_percent is None
    assert server.connections == 0


async def test_a_secrets_file_that_cannot_be_read_is_not_held_against_the_project(
    tmp_path: Path,
) -> None:
    environ = {"KEY_FILE": str(tmp_path)}
    async with prober_of(
        "http://127.0.0.1:1", headers={"X-Key": "${KEY}"}, environ=environ
    ) as prober:
        sample = await prober.probe_health()
    assert sample.status == "unknown"
    assert sample.detail is not None
    assert sample.detail.startswith("not asked: the secret for the header X-Key cannot be read: ")


async def test_a_secret_with_a_line_break_is_not_sent_and_not_shown() -> None:
    async with prober_of(
        "http://127.0.0.1:1", headers={"X-Key": "${KEY}"}, environ={"KEY": "a\r\nb"}
    ) as prober:
        sample = await prober.probe_health()
    assert sample.status == "unknown"
    assert sample.detail == "not asked: the header X-Key holds a character that cannot be sent"


async def test_without_a_health_path_a_connection_is_health_enough() -> None:
    async with (
        serving(stalling()) as server,
        prober_of(server.url, paths={"health": None}) as prober,
    ):
        sample = await prober.probe_health()
    assert (sample.status, sample.http_status, sample.detail) == ("healthy", None, None)
    assert sample.response_ms is not None
    assert server.requests == []


async def test_without_a_health_path_a_refused_connection_is_down() -> None:
    url = f"http://127.0.0.1:{unused_port()}"
    async with prober_of(url, paths={"health": None}) as prober:
        sample = await prober.probe_health()
    assert (sample.status, sample.detail) == ("down", "connection refused")


async def test_what_this_machine_lacks_is_not_held_against_the_project() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with prober_of("http://127.0.0.1:9") as prober:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            sample = await prober.probe_health()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert sample.status == "unknown"
    assert sample.detail == "not asked: this machine is out of open files (its limit is reached)"


async def test_metrics_are_scraped() -> None:
    text = b"cpu_percent 12.5\nmemory_percent 40\nresponse_ms 7\nqueue_depth 3\n"
    page = response(text, b"Content-Type: text/plain; version=0.0.4")
    async with serving(routes({"/metrics": page})) as server, prober_of(server.url) as prober:
        sample = await prober.scrape_metrics()
    assert (sample.cpu_percent, sample.memory_percent, sample.response_ms) == (12.5, 40.0, 7.0)
    assert sample.other["queue_depth"] == 3.0


async def test_the_time_of_the_scrape_stands_in_for_a_response_time_not_told() -> None:
    page = response(b"cpu_percent 1\n", b"Content-Type: text/plain")
    async with serving(routes({"/metrics": page})) as server, prober_of(server.url) as prober:
        sample = await prober.scrape_metrics()
    assert sample.response_ms is not None
    assert 0 < sample.response_ms < 1_000


@pytest.mark.parametrize(
    ("handle", "detail"),
    [
        (answering(response(b"no", status=b"500 Oops")), "metrics answered HTTP 500"),
        (answering(b""), "connection closed after 0 bytes"),
    ],
    ids=["an error", "nothing"],
)
async def test_a_failed_scrape_says_why(handle: Handler, detail: str) -> None:
    async with serving(handle) as server, prober_of(server.url) as prober:
        sample = await prober.scrape_metrics()
    assert sample.detail == detail
    assert (sample.cpu_percent, sample.response_ms, sample.other) == (None, None, {})


async def test_metrics_that_are_not_offered_are_not_asked_for() -> None:
    async with (
        serving(answering(response(), hold=True)) as server,
        prober_of(server.url, paths={"metrics": None}) as prober,
    ):
        sample = await prober.scrape_metrics()
    assert sample.detail == "no metrics are offered"
    assert sample.response_ms is None
    assert server.connections == 0


async def test_without_metrics_the_response_time_is_that_of_the_newest_health_probe() -> None:
    pages = iter([response(), b""])

    async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(next(pages, b""))

    async with (
        serving(answer_once) as server,
        prober_of(server.url, paths={"metrics": None}) as prober,
    ):
        probe, scrape = await prober.probe_health(), await prober.scrape_metrics()
        failed, later = await prober.probe_health(), await prober.scrape_metrics()
    assert probe.response_ms is not None
    assert scrape.response_ms == probe.response_ms
    assert (failed.status, later.response_ms) == ("down", None)


async def test_the_status_is_read() -> None:
    page = response(b'{"name": "mailer", "version": "1.4.2", "state": "running"}')
    async with serving(routes({"/status": page})) as server, prober_of(server.url) as prober:
        report = await prober.read_status()
    assert report is not None
    assert (report.project, report.version, report.state) == ("mailer", "1.4.2", "running")


async def test_the_last_log_lines_are_read() -> None:
    lines = [{"time": "2026-01-01T00:00:00Z", "level": "error", "message": "smtp timed out"}]
    page = response(json.dumps({"lines": lines}).encode(), b"Content-Type: application/json")
    async with serving(routes({"/logs": page})) as server, prober_of(server.url) as prober:
        (line,) = await prober.read_logs()
    assert (line.project, line.level, line.message) == ("mailer", "error", "smtp timed out")
    assert server.requests[0].startswith(b"GET /logs?limit=200 HTTP/1.1\r\n")


@pytest.mark.parametrize("status", [b"404 Not Found", b"405 No", b"410 Gone"])
async def test_what_a_project_does_not_offer_is_asked_again_after_an_hour(status: bytes) -> None:
    now = 1_000.0
    async with (
        serving(answering(response(b"", status=status), hold=True)) as server,
        prober_of(server.url, clock=lambda: now) as prober,
    ):
        for _ in range(3):
            assert await prober.read_status() is None
            assert await prober.read_logs() == []
        assert len(server.requests) == 2
        now += 3_601
        await prober.read_status()
        assert len(server.requests) == 3


async def test_a_passing_fault_is_no_reason_to_stop_asking() -> None:
    async with (
        serving(answering(response(b"", status=b"503 Busy"), hold=True)) as server,
        prober_of(server.url) as prober,
    ):
        for _ in range(2):
            assert await prober.read_status() is None
    assert len(server.requests) == 2


async def test_a_long_body_is_read_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []
    read_health = health_payload.read_health

    def noting(*args: Any) -> object:
        threads.append(threading.current_thread())
        return read_health(*args)

    monkeypatch.setattr(health_payload, "read_health", noting)
    payloads = response(HEALTHY), response(HEALTHY + b" " * 200_000)
    async with (
        serving(answering(*payloads, hold=True)) as server,
        prober_of(server.url) as prober,
    ):
        assert [(await prober.probe_health()).status for _ in range(2)] == ["healthy"] * 2
    assert [thread is threading.main_thread() for thread in threads] == [True, False]


async def test_a_reader_that_stumbles_does_not_raise(monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(*_: object) -> object:
        raise RecursionError

    monkeypatch.setattr(health_payload, "read_health", stumble)
    async with (
        serving(answering(response(), hold=True)) as server,
        prober_of(server.url) as prober,
    ):
        sample = await prober.probe_health()
    assert (sample.status, sample.http_status) == ("unknown", 200)
    assert sample.detail == "the answer could not be read (RecursionError)"


async def test_the_four_questions_share_two_connections() -> None:
    async with (
        serving(answering(response(), hold=True)) as server,
        prober_of(server.url) as prober,
    ):
        for _ in range(3):
            await asyncio.gather(prober.probe_health(), prober.scrape_metrics())
            await prober.read_status()
            await prober.read_logs()
    assert server.connections == 2


_ANSWERS_FOR_EVER = r"""
import asyncio
async def handle(reader, writer):
    while await reader.readuntil(b"\r\n\r\n"):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
async def main():
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", _ANSWERS_FOR_EVER], stdout=subprocess.PIPE, text=True
    ) as child:
        yield child
        child.kill()


async def test_the_death_of_a_project_is_told_by_name_within_a_second(
    process: subprocess.Popen[str],
) -> None:
    told = asyncio.Event()
    names: list[str] = []

    def on_peer_lost(name: str) -> None:
        names.append(name)
        told.set()

    assert process.stdout is not None
    url = f"http://127.0.0.1:{process.stdout.readline().strip()}"
    async with prober_of(url, on_peer_lost=on_peer_lost) as prober:
        assert (await prober.probe_health()).status == "healthy"
        os.kill(process.pid, signal.SIGKILL)
        async with asyncio.timeout(1.0):
            await told.wait()
        sample = await prober.probe_health()
    assert names == ["mailer"]
    assert (sample.status, sample.detail) == ("down", "connection refused")
