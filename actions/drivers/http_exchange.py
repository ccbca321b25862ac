"""One HTTP exchange, bounded in time and size, that knows whether anything was sent."""

import asyncio
import os
import ssl
from dataclasses import dataclass, field
from typing import Any

import httpx

from actions.drivers.http_request import PreparedRequest
from config.action_spec import HttpAction
from config.durations import format_duration

SENDING = "http11.send_request_headers.started"


@dataclass(slots=True, kw_only=True)
class Exchange:
    """What happened: `problem` says what broke it off, `complete` that the answer was read."""

    sent: bool = False
    status: int | None = None
    headers: httpx.Headers = field(default_factory=httpx.Headers)
    body: bytes = b""
    complete: bool = False
    too_long: bool = False
    problem: str | None = None

    async def note(self, event: str, _: Any) -> None:
        """Note that the request begins to be sent: from then on it may have its effect."""
        self.sent = self.sent or event == SENDING


async def exchange(
    transport: httpx.AsyncBaseTransport, request: PreparedRequest, spec: HttpAction
) -> Exchange:
    """Send the request and read the answer up to its limit; errors are noted, not raised."""
    done = Exchange()
    try:
        async with asyncio.timeout(spec.timeout.total_seconds()):
            await _exchange(transport, request, spec.max_response_bytes, done)
    except TimeoutError:
        done.problem = f"{_waited_for(done)} within {format_duration(spec.timeout)}"
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError) as error:
        done.problem = _in_words(error, done)
    return done


async def _exchange(
    transport: httpx.AsyncBaseTransport, request: PreparedRequest, most: int, done: Exchange
) -> None:
    outgoing = httpx.Request(
        request.method,
        request.url,
        headers=request.headers,
        content=request.content,
        extensions={"trace": done.note},
    )
    response = await transport.handle_async_request(outgoing)
    try:
        done.status, done.headers = response.status_code, response.headers
        await _read(response, most, done)
    finally:
        await response.aclose()


async def _read(response: httpx.Response, most: int, done: Exchange) -> None:
    body = bytearray()
    try:
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > most:
                done.too_long = True
                return
        done.complete = True
    finally:
        done.body = bytes(body[:most])


def _waited_for(done: Exchange) -> str:
    if not done.sent:
        return "no connection"
    return "no answer" if done.status is None else "no end of the answer"


def _in_words(error: Exception, done: Exchange) -> str:
    """Return what broke an exchange off; what a server wrote is no part of it."""
    if not done.sent:
        return f"no connection: {_reason(error)}"
    if isinstance(error, httpx.RemoteProtocolError):
        return "the answer was no HTTP, or ended early"
    return "the connection broke" + (" during the answer" if done.status is not None else "")


def _reason(error: BaseException) -> str:
    """Return what the machine says of the first cause of an error."""
    cause = error
    while inner := cause.__cause__ or cause.__context__:
        cause = inner
    match cause:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted, {cause.verify_message}"
        case ssl.SSLError():
            return f"no TLS, {cause.reason}"
        case OSError(errno=int(number)) if number > 0:
            return os.strerror(number)
        case _:
            return getattr(cause, "strerror", None) or type(cause).__name__
