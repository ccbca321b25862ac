"""Asks one project how it is, what it measures, what runs there and what it logs."""

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from time import monotonic, perf_counter
from typing import Final, ParamSpec, TypeVar

import httpx

from config.projects_file import ProjectSpec
from data.records import HealthSample, HealthStatus, LogLine, MetricSample, StatusReport
from flows.polling.payloads import health_payload, log_payload, status_payload
from flows.polling.payloads.metrics_payload import MetricsReader
from flows.polling.payloads.plain_text import plain_line
from flows.polling.questions import LOG_LINES, Question, Questions, Unaskable, build_questions
from flows.polling.wire import redirects
from flows.polling.wire.failures import HubFault
from flows.polling.wire.response_reader import Answer
from flows.polling.wire.transport import KeptAliveTransport

logger = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

_DETAIL_CHARACTERS: Final = 300
_LONG_BODY_BYTES: Final = 200_000
_NOT_OFFERED: Final = frozenset({404, 405, 410})
_ASK_AGAIN_AFTER_S: Final = 3600.0


class Prober:
    """One project's probes, over its own kept-alive connections.

    None of the four questions raises for anything a server or the network does; each is limited
    as a whole by its timeout in the spec. `on_peer_lost` is called with the project's name when
    an idle connection tells that the project died. Secrets are read from `environ` once, here;
    where one is missing nothing is ever sent, and the samples name it. `clock` is in monotonic
    seconds.
    """

    def __init__(
        self,
        spec: ProjectSpec,
        *,
        on_peer_lost: Callable[[str], None] | None = None,
        environ: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._name = spec.name
        self._clock = clock
        self._health_timeout_s = spec.timeouts.health.total_seconds()
        self._transport = KeptAliveTransport(
            spec.url,
            name=spec.name,
            verify_tls=spec.verify_tls,
            ca_file=spec.ca_file,
            max_body_bytes=spec.max_body_bytes,
            on_peer_lost=on_peer_lost,
        )
        self._metrics_reader = MetricsReader(spec.metrics)
        self._ask_again_at: dict[Question, float] = {}
        self._health_ms: float | None = None
        self._unable: str | None = None
        self._questions = Questions(None, None, None, None)
        try:
            self._questions = build_questions(spec, environ)
        except Unaskable as reason:
            self._unable = f"not asked: {reason}"
        for question in self._questions:
            if question is not None:
                self._transport.prepare(question.request)

    async def probe_health(self) -> HealthSample:
        """Return how the project is, `recorded_at` the instant the probe began.

        "down" is what the project or the network says; "unknown" where this hub could not ask.
        Without a health path, it is healthy when it accepts a connection.
        """
        recorded_at = datetime.now(UTC)
        if self._unable is not None:
            return self._health(recorded_at, "unknown", self._unable)
        question = self._questions.health
        started = perf_counter()
        try:
            if question is None:
                await self._transport.connect(self._health_timeout_s)
                return self._health(recorded_at, "healthy", None, _ms_since(started))
            response = await self._ask(question, started)
        except HubFault as fault:
            return self._health(recorded_at, "unknown", str(fault))
        except httpx.RequestError as failure:
            return self._health(recorded_at, "down", str(failure))
        response_ms = _ms_since(started)
        http_status = response.status_code
        body = _body(response)
        try:
            health = await _read(
                body, health_payload.read_health, http_status, _content_type(response), body
            )
        except Exception as error:
            return self._health(recorded_at, "unknown", _unread(error), response_ms, http_status)
        return self._health(recorded_at, health.status, health.detail, response_ms, http_status)

    async def scrape_metrics(self) -> MetricSample:
        """Return what the project measures; `detail` says why anything is missing.

        Where the project does not say its response time, the scrape's own is taken; where no
        metrics are offered, that of the newest health probe, so that it has a history and a limit.
        """
        recorded_at = datetime.now(UTC)
        question = self._questions.metrics
        if question is None:
            unasked = self._unable or "no metrics are offered"
            return self._no_metrics(recorded_at, unasked, self._health_ms)
        started = perf_counter()
        try:
            response = await self._ask(question, started)
        except httpx.RequestError as failure:
            return self._no_metrics(recorded_at, str(failure))
        response_ms = _ms_since(started)
        if not response.is_success:
            return self._no_metrics(recorded_at, f"metrics answered HTTP {response.status_code}")
        body = _body(response)
        read = self._metrics_reader.read
        try:
            reading = await _read(body, read, body, _content_type(response), read_at=self._clock())
        except Exception as error:
            return self._no_metrics(recorded_at, _unread(error))
        return MetricSample(
            project=self._name,
            recorded_at=recorded_at,
            cpu_percent=reading.cpu_percent,
            memory_percent=reading.memory_percent,
            error_rate_percent=reading.error_rate_percent,
            response_ms=response_ms if reading.response_ms is None else reading.response_ms,
            other=reading.other,
            detail=_storable(reading.detail),
        )

    async def read_status(self) -> StatusReport | None:
        """Return what the project says about itself, None where it says nothing.

        A project that does not offer it (404, 405, 410) is asked again after an hour.
        """
        recorded_at = datetime.now(UTC)
        response = await self._ask_for_detail(self._questions.status)
        if response is None:
            return None
        body = _body(response)
        try:
            return await _read(body, status_payload.read_status, self._name, recorded_at, body)
        except Exception as error:
            logger.warning("%s: status: %s", self._name, _unread(error))
            return None

    async def read_logs(self) -> list[LogLine]:
        """Return the last lines the project logged, oldest first, none where it offers none.

        A project that does not offer them (404, 405, 410) is asked again after an hour.
        """
        recorded_at = datetime.now(UTC)
        response = await self._ask_for_detail(self._questions.logs)
        if response is None:
            return []
        body = _body(response)
        read, content_type = log_payload.read_log_lines, _content_type(response)
        try:
            return await _read(
                body, read, self._name, recorded_at, content_type, body, limit=LOG_LINES
            )
        except Exception as error:
            logger.warning("%s: logs: %s", self._name, _unread(error))
            return []

    async def aclose(self) -> None:
        """Close the connections; what is being asked ends as not answered."""
        await self._transport.aclose()

    async def _ask(self, question: Question, started: float) -> httpx.Response:
        response = await self._transport.handle_async_request(question.request)
        if response.has_redirect_location:
            left_s = question.timeout_s - (perf_counter() - started)
            until = asyncio.get_running_loop().time() + left_s
            return await redirects.follow(self._transport, question.request, response, until)
        return response

    async def _ask_for_detail(self, question: Question | None) -> httpx.Response | None:
        """Return a 2xx response, or None."""
        if question is None or self._ask_again_at.get(question, 0.0) > self._clock():
            return None
        try:
            response = await self._ask(question, perf_counter())
        except httpx.RequestError as failure:
            logger.debug("%s: %s: %s", self._name, question.request.url.path, failure)
            return None
        if response.status_code in _NOT_OFFERED:
            self._ask_again_at[question] = self._clock() + _ASK_AGAIN_AFTER_S
        return response if response.is_success else None

    def _health(
        self,
        recorded_at: datetime,
        status: HealthStatus,
        detail: str | None,
        response_ms: float | None = None,
        http_status: int | None = None,
    ) -> HealthSample:
        self._health_ms = response_ms
        return HealthSample(
            project=self._name,
            recorded_at=recorded_at,
            status=status,
            response_ms=response_ms,
            http_status=http_status,
            detail=_storable(detail),
        )

    def _no_metrics(
        self, recorded_at: datetime, detail: str, response_ms: float | None = None
    ) -> MetricSample:
        return MetricSample(
            project=self._name,
            recorded_at=recorded_at,
            response_ms=response_ms,
            detail=_storable(detail),
        )


async def _read(body: bytes, parse: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Parse `body`, in a thread where it is long, so that no other project waits for it."""
    if len(body) > _LONG_BODY_BYTES:
        return await asyncio.to_thread(parse, *args, **kwargs)
    return parse(*args, **kwargs)


def _body(response: httpx.Response) -> bytes:
    assert isinstance(response.stream, Answer)
    return response.stream.body


def _content_type(response: httpx.Response) -> str | None:
    content_type: str | None = response.headers.get("content-type")
    return content_type


def _unread(error: Exception) -> str:
    return f"the answer could not be read ({type(error).__name__})"


def _storable(detail: str | None) -> str | None:
    return None if detail is None else plain_line(detail, _DETAIL_CHARACTERS)


def _ms_since(started: float) -> float:
    return (perf_counter() - started) * 1000.0
