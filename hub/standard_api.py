"""`/health`, `/metrics`, `/status` and `/logs` for any ASGI application, in one line.

    app = StandardAPI(app, name="chatbot", version="1.4.2")

One file, standard library only, Python 3.9 or newer: import it, or copy it into a project.
The shapes of the four answers are described in docs/standard-api.md.
"""

from __future__ import annotations

import asyncio
import hmac
import inspect
import json
import logging
import math
import os
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import parse_qs

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

if TYPE_CHECKING:
    Word = Literal["healthy", "degraded", "down"]
    CheckResult = bool | str | tuple[str, str] | None
    Check = Callable[[], CheckResult | Awaitable[CheckResult]]

WORST_LAST: tuple[Word, ...] = ("healthy", "degraded", "down")
CHECK_LIMIT_S = 2.0
MESSAGE_LIMIT = 8_000
CPU_READING_APART_S = 0.5
NOT_CACHED = (b"cache-control", b"no-store")
_UTC = timezone.utc  # noqa: UP017 (datetime.UTC needs Python 3.11)
_TimeoutError = asyncio.TimeoutError  # a class of its own before Python 3.11
_METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_log = logging.getLogger("standard_api")


class StandardAPI:
    """ASGI middleware, or with `app=None` an application, that answers the four standard paths.

    checks: name -> callable, sync or async. It returns a word (healthy, degraded, down), a
        (word, detail) pair, a bool, or None for healthy; raising, or no answer within 2 s, is
        down. The worst check is the status. Sync checks run in a thread of their own.
    gauges: metric name -> callable that returns a number, or None while there is none; called on
        every scrape, so be quick.
    prefix: put before the four paths, as in "/ops" for "/ops/health".
    token: when given, /status and /logs want `Authorization: Bearer <token>`.
    window_s: error rate and response times cover this many seconds.
    logger: the logger whose records are kept (the root logger unless told), None for no logs.
    details: further fields of /status. `state`, `deployed_at` and `details` may be reassigned.
    cpu_percent, memory_percent: replace the measurement of the own process.

    Raises ValueError for a metric name that Prometheus would refuse or that is taken.
    """

    def __init__(
        self,
        app: ASGIApp | None = None,
        *,
        name: str,
        version: str | None = None,
        checks: Mapping[str, Check] | None = None,
        gauges: Mapping[str, Callable[[], float | None]] | None = None,
        prefix: str = "",
        token: str | None = None,
        window_s: int = 60,
        logger: str | None = "",
        log_lines: int = 500,
        deployed_at: datetime | None = None,
        details: Mapping[str, Any] | None = None,
        cpu_percent: Callable[[], float] | None = None,
        memory_percent: Callable[[], float | None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.version = version
        self.state = "running"
        self.started_at = datetime.now(_UTC)
        self.deployed_at = deployed_at or self.started_at
        self.details = dict(details or {})
        self._app = app
        self._clock = clock
        self._started = clock()
        self._token = token
        self._lock = threading.Lock()
        self._traffic = ResponseWindow(window_s)
        self._requests = 0
        self._errors = 0
        self._counters: dict[str, float] = {}
        self._gauges: dict[str, float | Callable[[], float | None]] = {}
        self._cpu_percent = cpu_percent or CpuMeter(clock).percent
        self._memory_percent = memory_percent or MemoryMeter().percent
        self._checks = HealthChecks(checks or {})
        for metric, read in (gauges or {}).items():
            self._gauges[self._free_name(metric, self._counters)] = read
        self._logs = RecentLogs(log_lines)
        self._logger = None if logger is None else logging.getLogger(logger)
        if self._logger is not None:
            self._logger.addHandler(self._logs)
        self._answers = {
            f"{prefix}/health": self._health,
            f"{prefix}/metrics": self._metrics,
            f"{prefix}/status": self._status,
            f"{prefix}/logs": self._log_lines,
        }
        self._guarded = (self._status, self._log_lines)

    def count(self, name: str, amount: float = 1) -> None:
        """Add `amount` to the counter `name`, which then shows in /metrics."""
        with self._lock:
            if name not in self._counters:
                self._free_name(name, self._gauges)
            self._counters[name] = self._counters.get(name, 0) + amount

    def gauge(self, name: str, value: float) -> None:
        """Set the gauge `name` to `value`."""
        with self._lock:
            if name not in self._gauges:
                self._free_name(name, self._counters)
            self._gauges[name] = value

    def observe(self, response_ms: float, *, failed: bool = False, times: int = 1) -> None:
        """Count work that did not arrive as an HTTP request of the wrapped application.

        For workers: a message taken from a queue counts like a request that took `response_ms`.
        """
        with self._lock:
            self._requests += times
            self._errors += times if failed else 0
            self._traffic.record(self._clock(), response_ms, times, times if failed else 0)

    def close(self) -> None:
        """Stop keeping log records."""
        if self._logger is not None:
            self._logger.removeHandler(self._logs)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await (_accept_nothing if self._app is None else self._app)(scope, receive, send)
            return
        answer = self._answers.get(_path_below_mount(scope))
        if answer is not None:
            await self._reply(scope, send, answer)
        elif self._app is not None:
            await self._measure(self._app, scope, receive, send)
        else:
            await _send(send, Answer.of_json(404, {"error": "not found"}))

    async def _measure(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Time until the response begins; neither streaming nor background tasks count."""
        started = self._clock()
        status: int | None = None

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if status is None and message["type"] == "http.response.start":
                status = int(message["status"])
                self.observe((self._clock() - started) * 1000, failed=status >= 500)
            await send(message)

        try:
            await app(scope, receive, send_and_note)
        except Exception:
            if status is None:
                self.observe((self._clock() - started) * 1000, failed=True)
            elif status < 500:
                self._add_error()
            raise

    def _add_error(self) -> None:
        with self._lock:
            self._errors += 1
            self._traffic.record(self._clock(), 0, 0, 1)

    async def _reply(
        self, scope: Scope, send: Send, answer: Callable[[Scope], Awaitable[Answer]]
    ) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            reply = Answer.of_json(405, {"error": "only GET and HEAD"}, (b"allow", b"GET, HEAD"))
        elif answer in self._guarded and not self._authorized(scope):
            reply = Answer.of_json(
                401, {"error": "a bearer token is required"}, (b"www-authenticate", b"Bearer")
            )
        else:
            reply = await answer(scope)
        await _send(send, reply, with_body=scope["method"] != "HEAD")

    def _authorized(self, scope: Scope) -> bool:
        if self._token is None:
            return True
        scheme, _, given = _header(scope, b"authorization").partition(" ")
        matches = hmac.compare_digest(given.strip().encode(), self._token.encode())
        return matches and scheme.lower() == "bearer"

    def _uptime_s(self) -> float:
        return round(self._clock() - self._started, 3)

    async def _health(self, scope: Scope) -> Answer:
        results = await self._checks.run()
        worst = max((word for word, _ in results.values()), key=WORST_LAST.index, default="healthy")
        checks = {
            name: {"status": word, **({"detail": detail} if detail else {})}
            for name, (word, detail) in results.items()
        }
        body = {"status": worst, "checks": checks, "version": self.version}
        return Answer.of_json(
            503 if worst == "down" else 200, {**body, "uptime_s": self._uptime_s()}
        )

    async def _status(self, scope: Scope) -> Answer:
        return Answer.of_json(
            200,
            {
                **self.details,
                "name": self.name,
                "version": self.version,
                "state": self.state,
                "started_at": self.started_at.isoformat(),
                "deployed_at": self.deployed_at.isoformat(),
                "uptime_s": self._uptime_s(),
            },
        )

    async def _log_lines(self, scope: Scope) -> Answer:
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        limit = query.get("limit", ["100"])[-1]
        if not re.fullmatch(r"[0-9]{1,9}", limit):
            return Answer.of_json(400, {"error": "limit must be a whole number, 0 or more"})
        lines = self._logs.last(int(limit))
        if _wants(scope, "text/plain", instead_of="application/json"):
            text = "".join(f"{line['time']} {line['level']} {line['message']}\n" for line in lines)
            return Answer(200, b"text/plain; charset=utf-8", text.encode())
        return Answer.of_json(200, {"lines": lines})

    async def _metrics(self, scope: Scope) -> Answer:
        metrics = self._measurements()
        if _wants(scope, "application/json", instead_of="text/plain"):
            finite = {m.name: m.value for m in metrics if math.isfinite(m.value)}
            return Answer.of_json(200, finite)
        text = "".join(
            f"# HELP {m.name} {m.help}\n# TYPE {m.name} {m.kind}\n{m.name} {_number(m.value)}\n"
            for m in metrics
        )
        return Answer(200, b"text/plain; version=0.0.4; charset=utf-8", text.encode())

    def _measurements(self) -> list[Metric]:
        """Return every metric that has a value now."""
        with self._lock:
            traffic = self._traffic.read(self._clock())
            own = {
                "requests_total": self._requests,
                "errors_total": self._errors,
                "error_rate_percent": traffic.error_rate_percent,
                "response_ms": traffic.mean_ms,
                "response_p95_ms": traffic.p95_ms,
            }
            counters = dict(self._counters)
            gauges = dict(self._gauges)
        readings: dict[str, float | None] = {
            "cpu_percent": _read("cpu_percent", self._cpu_percent),
            "memory_percent": _read("memory_percent", self._memory_percent),
            **own,
            "uptime_seconds": self._uptime_s(),
        }
        metrics = [
            Metric(name, *OWN_METRICS[name], round(value, 3))
            for name, value in readings.items()
            if value is not None
        ]
        for name, total in counters.items():
            metrics.append(Metric(name, "counter", f"Counted by {self.name}.", total))
        for name, source in gauges.items():
            value = _read(name, source) if callable(source) else source
            if value is not None:
                metrics.append(Metric(name, "gauge", f"Reported by {self.name}.", value))
        return metrics

    @staticmethod
    def _free_name(name: str, taken: Mapping[str, object]) -> str:
        if not _METRIC_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no metric name: use letters, digits and underscores")
        if name in OWN_METRICS or name in taken:
            raise ValueError(f"the metric {name} exists already")
        return name


OWN_METRICS = {
    "cpu_percent": ("gauge", "CPU of this process since the last scrape, in percent of a core."),
    "memory_percent": ("gauge", "Resident memory in percent of what this process may use."),
    "requests_total": ("counter", "Requests answered since the start."),
    "errors_total": ("counter", "Requests that failed (5xx or raised) since the start."),
    "error_rate_percent": ("gauge", "Failed requests of the recent window, in percent."),
    "response_ms": ("gauge", "Mean response time of the recent window, in milliseconds."),
    "response_p95_ms": ("gauge", "95th percentile of response times, in milliseconds."),
    "uptime_seconds": ("gauge", "Seconds since the start."),
}


class Metric(NamedTuple):
    name: str
    kind: str
    help: str
    value: float


class Answer(NamedTuple):
    status: int
    content_type: bytes
    body: bytes
    header: tuple[bytes, bytes] = NOT_CACHED

    @classmethod
    def of_json(cls, status: int, body: object, header: tuple[bytes, bytes] = NOT_CACHED) -> Answer:
        return cls(status, b"application/json", json.dumps(body, default=str).encode(), header)


class Traffic(NamedTuple):
    requests: int
    error_rate_percent: float
    mean_ms: float | None
    p95_ms: float | None


class ResponseWindow:
    """Requests of the last seconds, one bucket per second, so that recording costs O(1).

    Response times fall into bins that grow by 15 %, from 0.1 ms to 100 s: the 95th percentile
    is right to within that.
    """

    GROWTH = math.log(1.15)
    BINS = 100

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._buckets = [_Bucket(self.BINS) for _ in range(seconds)]

    def record(self, now: float, response_ms: float, requests: int, errors: int) -> None:
        """Add `requests` that took `response_ms` each, and `errors`, to the current second."""
        second = int(now)
        bucket = self._buckets[second % self._seconds]
        if bucket.second != second:
            bucket.start(second)
        bucket.requests += requests
        bucket.errors += errors
        bucket.total_ms += response_ms * requests
        place = int(math.log(max(response_ms, 0.1) / 0.1) / self.GROWTH)
        bucket.bins[min(place, self.BINS - 1)] += requests

    def read(self, now: float) -> Traffic:
        """Return what the window holds; the times are None when nothing was asked."""
        oldest = int(now) - self._seconds
        live = [bucket for bucket in self._buckets if bucket.second > oldest]
        requests = sum(bucket.requests for bucket in live)
        if not requests:
            return Traffic(0, 0.0, None, None)
        errors = min(sum(bucket.errors for bucket in live), requests)
        mean_ms = sum(bucket.total_ms for bucket in live) / requests
        bins = [sum(counts) for counts in zip(*(bucket.bins for bucket in live))]  # noqa: B905
        return Traffic(requests, 100 * errors / requests, mean_ms, self._p95_ms(bins, requests))

    def _p95_ms(self, bins: list[int], requests: int) -> float:
        seen = 0
        for place, count in enumerate(bins):
            seen += count
            if seen >= 0.95 * requests:
                return 0.1 * math.exp((place + 0.5) * self.GROWTH)
        raise AssertionError("the bins hold every request")


class _Bucket:
    __slots__ = ("bins", "errors", "requests", "second", "total_ms")

    def __init__(self, bins: int) -> None:
        self.bins = [0] * bins
        self.start(-1)

    def start(self, second: int) -> None:
        self.second = second if second >= 0 else -(2**62)
        self.requests = 0
        self.errors = 0
        self.total_ms = 0.0
        self.bins[:] = [0] * len(self.bins)


class CpuMeter:
    """CPU time of this process between two readings, in percent of one core."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._read_at = clock()
        self._used_s = time.process_time()
        self._percent: float | None = None

    def percent(self) -> float:
        """Return the percentage since the last reading; readings 0.5 s apart or less share one."""
        now, used_s = self._clock(), time.process_time()
        apart_s = now - self._read_at
        if self._percent is None or apart_s >= CPU_READING_APART_S:
            self._percent = 100 * (used_s - self._used_s) / max(apart_s, 0.001)
            self._read_at, self._used_s = now, used_s
        return self._percent


class MemoryMeter:
    """Resident memory in percent of the tightest limit: control group or machine."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._statm = root / "proc/self/statm"
        self._limit_bytes = _memory_limit_bytes(root)

    def percent(self) -> float | None:
        """Return the percentage, None where the system does not tell."""
        used_bytes = self._used_bytes()
        if used_bytes is None or self._limit_bytes is None:
            return None
        return 100 * used_bytes / self._limit_bytes

    def _used_bytes(self) -> int | None:
        try:
            return int(self._statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, ValueError):
            return _peak_bytes()


def _peak_bytes() -> int | None:
    """Return the highest resident size so far: all that systems without /proc tell cheaply."""
    try:
        import resource  # noqa: PLC0415 (absent on Windows)
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _memory_limit_bytes(root: Path) -> int | None:
    """Return the smallest of the machine's memory and the limits of our control groups."""
    limits = [_machine_bytes()]
    try:
        groups = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        groups = []
    for group in groups:
        _, controllers, path = group.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        base = root / "sys/fs/cgroup" / controllers
        file = "memory.limit_in_bytes" if controllers else "memory.max"
        folder = base / path.strip("/")
        for level in (folder, *folder.parents):
            limits.append(_whole_number(level / file))
            if level == base:
                break
    return min((limit for limit in limits if limit), default=None)


def _machine_bytes() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _whole_number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None


class HealthChecks:
    """Run the checks of one application side by side, each within its limit.

    A check that hangs is not started again before it has ended, so probing a hung project
    never piles up threads.
    """

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = dict(checks)
        self._running: dict[str, asyncio.Task[CheckResult]] = {}

    async def run(self) -> dict[str, tuple[Word, str]]:
        """Return (word, detail) of every check; detail is "" when there is nothing to say."""
        tasks = {name: self._start(name, check) for name, check in self._checks.items()}
        if tasks:
            await asyncio.wait(tasks.values(), timeout=CHECK_LIMIT_S)
        return {name: self._outcome(name, task) for name, task in tasks.items()}

    def _start(self, name: str, check: Check) -> asyncio.Task[CheckResult]:
        running = self._running.get(name)
        if running and not running.done() and running.get_loop() is asyncio.get_running_loop():
            return running
        task = asyncio.ensure_future(_call(check))
        task.add_done_callback(_forget_failure)
        self._running[name] = task
        return task

    def _outcome(self, name: str, task: asyncio.Task[CheckResult]) -> tuple[Word, str]:
        if task.done() and task.cancelled():
            return "down", "cancelled"
        error = task.exception() if task.done() else _TimeoutError()
        if isinstance(error, _TimeoutError):
            return "down", f"no answer within {CHECK_LIMIT_S:g} s"
        if error is not None:
            # Only the class: the text may name hosts and passwords, and /health is open to all.
            _log.warning("the check %s failed", name, exc_info=error)
            return "down", f"raised {type(error).__name__}"
        return _word_of(task.result())


def _forget_failure(task: asyncio.Task[CheckResult]) -> None:
    """Look at the failure, so that asyncio does not report one that came after the limit."""
    if not task.cancelled():
        task.exception()


async def _call(check: Check) -> CheckResult:
    if inspect.iscoroutinefunction(check):
        return await _within_limit(check())
    result = await _in_thread(check)
    return await _within_limit(result) if inspect.isawaitable(result) else result


async def _within_limit(answer: Awaitable[CheckResult]) -> CheckResult:
    return await asyncio.wait_for(answer, CHECK_LIMIT_S)


async def _in_thread(check: Check) -> CheckResult | Awaitable[CheckResult]:
    """Run a sync check in a daemon thread, which never holds up the interpreter's exit."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[CheckResult | Awaitable[CheckResult]] = loop.create_future()

    def settle(result: CheckResult | Awaitable[CheckResult], error: Exception | None) -> None:
        if outcome.done():
            return
        if error is None:
            outcome.set_result(result)
        else:
            outcome.set_exception(error)

    def work() -> None:
        result, failure = None, None
        try:
            result = check()
        except Exception as error:
            failure = error
        with suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits any more
            loop.call_soon_threadsafe(settle, result, failure)

    threading.Thread(target=work, name="health-check", daemon=True).start()
    return await outcome


def _word_of(result: CheckResult) -> tuple[Word, str]:
    if result is None or isinstance(result, bool):
        return ("down" if result is False else "healthy"), ""
    word, detail = (result, "") if isinstance(result, str) else result
    for known in WORST_LAST:
        if word == known:
            return known, str(detail)
    return "down", f"the check said {word!r}, which is none of healthy, degraded, down"


class RecentLogs(logging.Handler):
    """Keep the last log records, formatted when they were made."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._lines: deque[dict[str, str]] = deque(maxlen=size)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record; a traceback becomes part of its message."""
        try:
            at = datetime.fromtimestamp(record.created, _UTC)
            self._lines.append(
                {
                    "time": at.isoformat(timespec="milliseconds"),
                    "level": record.levelname.lower(),
                    "message": self.format(record)[:MESSAGE_LIMIT],
                }
            )
        except Exception:
            self.handleError(record)

    def last(self, limit: int) -> list[dict[str, str]]:
        """Return the newest `limit` records, oldest first."""
        self.acquire()
        try:
            lines = list(self._lines)
        finally:
            self.release()
        return lines[-limit:] if limit else []


def _read(name: str, source: Callable[[], float | None]) -> float | None:
    try:
        value = source()
        return None if value is None else float(value)
    except Exception:
        _log.warning("the metric %s could not be read", name, exc_info=True)
        return None


def _number(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def _path_below_mount(scope: Scope) -> str:
    path, mount = str(scope["path"]), str(scope.get("root_path") or "")
    return path[len(mount) :] if mount and path.startswith(f"{mount}/") else path


def _header(scope: Scope, wanted: bytes) -> str:
    for name, value in scope.get("headers", ()):
        if name.lower() == wanted:
            return str(value.decode("latin-1"))
    return ""


def _wants(scope: Scope, media_type: str, *, instead_of: str) -> bool:
    accept = _header(scope, b"accept").lower()
    return media_type in accept and instead_of not in accept


async def _send(send: Send, answer: Answer, *, with_body: bool = True) -> None:
    headers = [
        (b"content-type", answer.content_type),
        (b"content-length", str(len(answer.body)).encode()),
        answer.header,
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body if with_body else b""})


async def _accept_nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """Stand in for the application that is not there: start, stop, refuse websockets."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000})
    elif scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
