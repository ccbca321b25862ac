import ast
import asyncio
import inspect
import json
import logging
import re
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import fastapi
import httpx
import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Mount

from hub import standard_api
from hub.standard_api import (
    ASGIApp,
    CpuMeter,
    MemoryMeter,
    Message,
    Receive,
    ResponseWindow,
    Scope,
    Send,
    StandardAPI,
)

SOURCE = Path(standard_api.__file__)
DOCUMENT = Path(__file__).parents[2] / "docs" / "standard-api.md"


@pytest.fixture
def api_of() -> Iterator[Callable[..., StandardAPI]]:
    made: list[StandardAPI] = []

    def make(app: ASGIApp | None = None, **settings: Any) -> StandardAPI:
        made.append(StandardAPI(app, **{"name": "chatbot", **settings}))
        return made[-1]

    yield make
    for api in made:
        api.close()


class Server(uvicorn.Server):
    """Uvicorn that tells when it listens and leaves the signals of the test run alone."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(uvicorn.Config(app, port=0, log_config=None, loop="asyncio"))
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    def capture_signals(self) -> Any:
        return nullcontext()


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    """Serve `app` on a free loopback port for the time of the block."""
    server = Server(app)
    running = asyncio.create_task(server.serve())
    await server.listening.wait()
    host, port = server.servers[0].sockets[0].getsockname()
    try:
        async with httpx.AsyncClient(base_url=f"http://{host}:{port}") as client:
            yield client
    finally:
        server.should_exit = True
        await running


async def answers(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 200, the status in /status-NNN, or raise on /raise."""
    path = scope["path"]
    if path == "/raise":
        raise RuntimeError("this request fails")
    status = int(path.removeprefix("/status-")) if path.startswith("/status-") else 200
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})
    if path == "/raise-late":
        raise RuntimeError("this response breaks off")


async def metrics_of(client: httpx.AsyncClient) -> dict[str, float]:
    reply = await client.get("/metrics", headers={"accept": "application/json"})
    numbers: dict[str, float] = reply.json()
    return numbers


async def test_one_line_gives_a_fastapi_project_all_four_paths(
    api_of: Callable[..., StandardAPI],
) -> None:
    project = fastapi.FastAPI()

    @project.get("/hello")
    def hello() -> str:
        return "hello"

    async with served(api_of(project)) as client:
        codes = [
            (await client.get(path)).status_code
            for path in ("/hello", "/health", "/metrics", "/status", "/logs")
        ]
    assert codes == [200] * 5


async def test_without_an_application_only_the_four_paths_exist(
    api_of: Callable[..., StandardAPI],
) -> None:
    async with served(api_of()) as client:
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/hello")).status_code == 404


async def test_a_mounted_api_answers_below_its_mount(api_of: Callable[..., StandardAPI]) -> None:
    async with served(Starlette(routes=[Mount("/inside", app=api_of())])) as client:
        assert (await client.get("/inside/health")).json()["status"] == "healthy"


async def test_a_prefix_moves_the_four_paths(api_of: Callable[..., StandardAPI]) -> None:
    async with served(api_of(answers, prefix="/ops")) as client:
        assert (await client.get("/ops/health")).json()["status"] == "healthy"
        assert (await client.get("/health")).text == "hello"


async def test_other_methods_are_refused_and_head_has_no_body(
    api_of: Callable[..., StandardAPI],
) -> None:
    async with served(api_of()) as client:
        posted = await client.post("/health")
        asked = await client.head("/health")
    assert (posted.status_code, posted.headers["allow"]) == (405, "GET, HEAD")
    assert (asked.status_code, asked.content) == (200, b"")
    assert int(asked.headers["content-length"]) > 0


async def test_requests_and_errors_are_counted_but_not_the_own_paths(
    api_of: Callable[..., StandardAPI],
) -> None:
    async with served(api_of(answers)) as client:
        for path in ("/", "/status-404", "/status-503", "/raise", "/health", "/metrics"):
            await client.get(path)
        numbers = await metrics_of(client)
    assert (numbers["requests_total"], numbers["errors_total"]) == (4, 2)
    assert numbers["error_rate_percent"] == 50
    assert 0 < numbers["response_ms"] < 1000


async def test_a_response_that_breaks_off_is_one_request_and_one_error(
    api_of: Callable[..., StandardAPI],
) -> None:
    async with served(api_of(answers)) as client:
        await client.get("/raise-late")
        numbers = await metrics_of(client)
    assert (numbers["requests_total"], numbers["errors_total"]) == (1, 1)


async def test_response_times_are_missing_before_the_first_request(
    api_of: Callable[..., StandardAPI],
) -> None:
    async with served(api_of()) as client:
        numbers = await metrics_of(client)
    assert "response_ms" not in numbers
    assert numbers["error_rate_percent"] == 0


async def test_work_that_is_no_request_is_counted_too(api_of: Callable[..., StandardAPI]) -> None:
    api = api_of()
    api.observe(100, times=9)
    api.observe(200, failed=True)
    async with served(api) as client:
        numbers = await metrics_of(client)
    assert (numbers["requests_total"], numbers["error_rate_percent"]) == (10, 10)
    assert numbers["response_ms"] == 110


async def test_metrics_are_prometheus_text_unless_json_is_asked_for(
    api_of: Callable[..., StandardAPI],
) -> None:
    api = api_of(gauges={"queue_depth": lambda: 3})
    api.count("emails_sent", 2)
    async with served(api) as client:
        for accept in ("*/*", "text/plain;version=0.0.4", "application/json, text/plain"):
            text = await client.get("/metrics", headers={"accept": accept})
            assert text.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert "# TYPE queue_depth gauge\nqueue_depth 3.0\n" in text.text
        assert "# TYPE emails_sent counter\nemails_sent 2\n" in text.text
        assert (await metrics_of(client))["queue_depth"] == 3


async def test_a_gauge_that_has_no_value_yet_is_missing(
    api_of: Callable[..., StandardAPI],
) -> None:
    async with served(api_of(gauges={"queue_depth": lambda: None})) as client:
        assert "queue_depth" not in (await client.get("/metrics")).text


async def test_a_gauge_that_cannot_be_read_is_missing_and_the_log_says_why(
    api_of: Callable[..., StandardAPI],
) -> None:
    api = api_of(
        gauges={"broken": lambda: 1 / 0, "endless": lambda: float("inf"), "fine": lambda: 1}
    )
    async with served(api) as client:
        numbers = await metrics_of(client)
        text = (await client.get("/metrics")).text
        lines = (await client.get("/logs")).json()["lines"]
    assert "broken" not in numbers
    assert "endless" not in numbers
    assert "endless +Inf" in text
    assert numbers["fine"] == 1
    assert any("broken" in line["message"] for line in lines)


@pytest.mark.parametrize("name", ["has space", "", "9lives", "cpu_percent", "depth"])
def test_a_metric_name_must_be_valid_and_free(
    name: str, api_of: Callable[..., StandardAPI]
) -> None:
    api = api_of(gauges={"depth": lambda: 1})
    with pytest.raises(ValueError, match="metric"):
        api.count(name)


def test_counting_from_many_threads_loses_nothing(api_of: Callable[..., StandardAPI]) -> None:
    api = api_of()

    def work() -> None:
        for _ in range(500):
            api.count("done")
            api.observe(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    numbers = {metric.name: metric.value for metric in api._measurements()}
    assert (numbers["done"], numbers["requests_total"]) == (4000, 4000)


async def test_the_worst_check_is_the_status(api_of: Callable[..., StandardAPI]) -> None:
    async def queue() -> tuple[str, str]:
        return "degraded", "1204 waiting"

    checks = {"queue": queue, "disk": lambda: True, "quiet": lambda: None, "word": lambda: "up"}
    async with served(api_of(checks=checks)) as client:
        reply = await client.get("/health")
        assert reply.status_code == 503
        found = reply.json()["checks"]
    assert found["queue"] == {"status": "degraded", "detail": "1204 waiting"}
    assert found["disk"] == found["quiet"] == {"status": "healthy"}
    assert found["word"]["status"] == "down"
    assert "none of healthy, degraded, down" in found["word"]["detail"]


async def test_a_degraded_project_still_answers_200(api_of: Callable[..., StandardAPI]) -> None:
    async with served(api_of(checks={"queue": lambda: "degraded"})) as client:
        reply = await client.get("/health")
    assert (reply.status_code, reply.json()["status"]) == (200, "degraded")


async def test_a_check_that_raises_shows_its_class_but_not_its_text(
    api_of: Callable[..., StandardAPI],
) -> None:
    def database() -> bool:
        raise ConnectionError("cannot reach postgres://user:password@db")

    async with served(api_of(checks={"database": database})) as client:
        reply = await client.get("/health")
    assert reply.status_code == 503
    assert "ConnectionError" in reply.text
    assert "password" not in reply.text


async def test_a_check_that_hangs_is_down_and_not_started_twice(
    api_of: Callable[..., StandardAPI], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standard_api, "CHECK_LIMIT_S", 0.05)
    released = threading.Event()
    starts: list[float] = []

    def stuck() -> bool:
        starts.append(time.monotonic())
        return released.wait(10)

    async def lost() -> bool:
        await asyncio.sleep(10)
        return True

    async with served(api_of(checks={"stuck": stuck, "lost": lost})) as client:
        for _ in range(3):
            found = (await client.get("/health")).json()["checks"]
            assert {check["status"] for check in found.values()} == {"down"}
            assert found["stuck"]["detail"] == "no answer within 0.05 s"
        assert len(starts) == 1
        released.set()
        await asyncio.sleep(0.02)
        assert (await client.get("/health")).json()["checks"]["stuck"]["status"] == "healthy"


async def test_a_blocking_check_does_not_block_the_project(
    api_of: Callable[..., StandardAPI],
) -> None:
    def slow() -> None:
        time.sleep(0.3)

    async with served(api_of(answers, checks={"slow": slow})) as client:
        health = asyncio.create_task(client.get("/health"))
        await asyncio.sleep(0.05)
        assert (await client.get("/")).text == "hello"
        assert not health.done()
        await health


async def test_a_token_guards_status_and_logs_only(api_of: Callable[..., StandardAPI]) -> None:
    async with served(api_of(token="right")) as client:
        for path in ("/status", "/logs"):
            refused = await client.get(path, headers={"authorization": "Bearer wrong"})
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
            allowed = await client.get(path, headers={"authorization": "Bearer right"})
            assert allowed.status_code == 200
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/metrics")).status_code == 200


async def test_logs_are_the_newest_records_oldest_first_with_tracebacks(
    api_of: Callable[..., StandardAPI],
) -> None:
    log = logging.getLogger("shop")
    log.setLevel(logging.INFO)
    api = api_of(log_lines=3, logger="shop")
    for number in range(5):
        log.info("order %d", number)
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError:
        log.exception("order lost")
    async with served(api) as client:
        lines = (await client.get("/logs?limit=2")).json()["lines"]
        text = (await client.get("/logs", headers={"accept": "text/plain"})).text
        assert (await client.get("/logs?limit=0")).json() == {"lines": []}
        assert (await client.get("/logs?limit=lots")).status_code == 400
    assert [line["level"] for line in lines] == ["info", "error"]
    assert lines[0]["message"] == "order 4"
    assert "ZeroDivisionError" in lines[1]["message"]
    assert "info order 3\n" in text
    assert "order 2" not in text


async def test_status_tells_the_state_and_the_details(api_of: Callable[..., StandardAPI]) -> None:
    api = api_of(version="1.4.2", details={"region": "eu-west"})
    api.state = "paused"
    async with served(api) as client:
        said = (await client.get("/status")).json()
    assert (said["name"], said["version"], said["state"]) == ("chatbot", "1.4.2", "paused")
    assert said["region"] == "eu-west"


async def test_lifespan_and_websockets_reach_the_application(
    api_of: Callable[..., StandardAPI],
) -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    async def receive() -> Message:
        raise AssertionError("nothing is received here")

    async def send(message: Message) -> None:
        raise AssertionError("nothing is sent here")

    for kind in ("lifespan", "websocket"):
        await api_of(app)({"type": kind}, receive, send)
    assert seen == ["lifespan", "websocket"]


async def test_alone_it_starts_and_stops_and_refuses_websockets(
    api_of: Callable[..., StandardAPI],
) -> None:
    arriving = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[str] = []

    async def receive() -> Message:
        return next(arriving)

    async def send(message: Message) -> None:
        sent.append(message["type"])

    await api_of()({"type": "lifespan"}, receive, send)
    await api_of()({"type": "websocket"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete", "websocket.close"]


def test_the_window_forgets_what_is_older_than_itself() -> None:
    window = ResponseWindow(seconds=5)
    window.record(100.5, 400, requests=1, errors=1)
    assert window.read(104.9).error_rate_percent == 100
    assert window.read(105.1).requests == 0
    window.record(105.2, 20, requests=1, errors=0)
    assert window.read(105.3).mean_ms == 20


@settings(deadline=None)
@given(st.lists(st.floats(0.1, 60_000), min_size=1, max_size=200))
def test_the_95th_percentile_is_right_to_within_a_bin(times_ms: list[float]) -> None:
    window = ResponseWindow(seconds=60)
    for number, response_ms in enumerate(times_ms):
        window.record(1000 + number % 60, response_ms, requests=1, errors=0)
    exact = sorted(times_ms)[-(-95 * len(times_ms) // 100) - 1]
    found = window.read(1059.5).p95_ms
    assert found is not None
    assert exact / 1.16 <= found <= exact * 1.16


def test_cpu_percent_rises_with_work_and_near_scrapes_share_a_reading() -> None:
    now = 0.0
    meter = CpuMeter(clock=lambda: now)
    now = 1.0
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass
    busy = meter.percent()
    assert 4 < busy < 50
    now = 1.2
    assert meter.percent() == busy
    now = 3.0
    assert meter.percent() < busy


def test_memory_percent_uses_the_tightest_control_group(tmp_path: Path) -> None:
    for file, text in {
        "proc/self/statm": "5000 2560 0 0 0 0 0",
        "proc/self/cgroup": "4:memory:/old/style\n3:cpu:/\n0::/app/web\n",
        "sys/fs/cgroup/app/web/memory.max": "max\n",
        "sys/fs/cgroup/app/memory.max": "104857600\n",
        "sys/fs/cgroup/memory/old/memory.limit_in_bytes": "209715200\n",
    }.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)
    assert MemoryMeter(tmp_path).percent() == pytest.approx(10.0)


def test_memory_percent_falls_back_where_there_is_no_proc(tmp_path: Path) -> None:
    percent = MemoryMeter(tmp_path).percent()
    assert percent is not None
    assert 0 < percent < 100


def test_the_file_stands_alone_on_python_3_9() -> None:
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"), feature_version=(3, 9))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or "."]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= sys.stdlib_module_names


def example(heading: str, language: str, nth: int = 0) -> str:
    """Return the nth fenced example of that language below a heading of the document."""
    section = DOCUMENT.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    blocks: list[str] = re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)
    return blocks[nth]


def shape(value: Any) -> Any:
    """Reduce a JSON value to its keys and types; ints and floats are one."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return "number" if isinstance(value, int | float) else type(value).__name__


async def test_the_documented_answers_are_the_real_ones(
    api_of: Callable[..., StandardAPI],
) -> None:
    log = logging.getLogger("documented")
    log.setLevel(logging.INFO)
    api = api_of(
        answers,
        version="1.4.2",
        logger="documented",
        details={"region": "eu-west"},
        gauges={"queue_depth": lambda: 3},
        checks={"database": lambda: True, "queue": lambda: ("degraded", "1204 waiting")},
    )
    api.count("emails_sent", 512)
    log.info("batch 17 sent")
    log.error("mailbox full")
    async with served(api) as client:
        await client.get("/")
        replies = {
            path: (await client.get(path)).json() for path in ("/health", "/status", "/logs")
        }
        numbers = await metrics_of(client)
        text = (await client.get("/metrics")).text
    for path, reply in replies.items():
        assert shape(reply) == shape(json.loads(example(f"GET {path}", "json"))), path
    assert shape(numbers) == shape(json.loads(example("GET /metrics", "json")))
    assert without_values(text) == without_values(example("GET /metrics", "text"))


def without_values(exposition: str) -> list[str]:
    return [line if line.startswith("#") else line.split()[0] for line in exposition.splitlines()]


def test_every_argument_is_documented() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == list(inspect.signature(StandardAPI).parameters)
