"""HTTP/1.1 for many small requests to one server, behind httpx's transport interface.

Made for probing: an exchange over an idle connection costs one write, one parse and one timer,
and creates no task. Answers are read whole, under `max_body_bytes`, before they are returned.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Final

import httpx

from flows.polling.wire import failures
from flows.polling.wire.connection import Connection
from flows.polling.wire.opening import Deadline, Origin, Trust, open_connection, open_socket
from flows.polling.wire.response_reader import Answer, Limits
from flows.polling.wire.sentinel import Sentinel

_KEPT: Final = 2
_REOPEN_WITHIN_S: Final = 1.0
_MAY_BE_REPEATED: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_BREAKS_A_LINE: Final = re.compile(rb"[\r\n\0]")


class KeptAliveTransport(httpx.AsyncBaseTransport):
    """A client for one origin that keeps up to two connections open between exchanges.

    Used raw (`await transport.handle_async_request(request)`) or in an `httpx.AsyncClient`.
    Requests to other origins are served too, each over a connection of its own. Redirects are
    not followed here.

    `request.extensions["timeout"]` limits the whole exchange, from the name look-up to the last
    byte of the body: `{"whole": seconds}`, or httpx's own dict, of which `connect` and `read`
    are added. `request.extensions["until"]`, loop time, may end it sooner. Without either,
    `timeout_s` holds.

    Failures are httpx exceptions whose text is fit for people ("connection refused", "no
    response headers within 5 s"); HubFault, one of them, means that nobody was asked. GET, HEAD
    and OPTIONS are sent once more when a kept connection turns out to be closed before any byte
    of the answer came.

    `on_peer_lost` is called with `name`, at most once a second, when the server seems to have
    died between exchanges: see Sentinel. Without it, lost idle connections are not replaced.
    """

    def __init__(
        self,
        url: httpx.URL | str,
        *,
        name: str = "",
        verify_tls: bool = True,
        ca_file: str | None = None,
        max_body_bytes: int = 2_000_000,
        timeout_s: float = 30.0,
        on_peer_lost: Callable[[str], None] | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._origin = Origin.of(httpx.URL(url))
        self._trust = Trust(verify_tls, ca_file)
        self._limits = Limits(body_bytes=max_body_bytes)
        self._timeout_s = timeout_s
        self._idle: list[Connection] = []
        self._connections: set[Connection] = set()
        self._closed = False
        self._sentinel: Sentinel | None = None
        if on_peer_lost is not None:
            self._sentinel = Sentinel(
                reopen=self._reopen,
                is_watching=lambda: bool(self._idle) or self._closed,
                tell=lambda: on_peer_lost(name),
                clock=clock or (lambda: asyncio.get_running_loop().time()),
            )

    def prepare(self, request: httpx.Request) -> httpx.Request:
        """Keep the request's bytes with it, for a request to this origin that is sent often.

        Raises:
            httpx.LocalProtocolError: a header would break the request apart.
        """
        assert Origin.of(request.url) == self._origin
        # With the request itself, for httpx copies extensions to the requests of redirects.
        request.extensions["wire"] = (request, _wire(request))
        return request

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        now = asyncio.get_running_loop().time()
        extensions = request.extensions
        timeout_s = self._time_limit(extensions.get("timeout"))
        deadline = Deadline(extensions.get("until", now + timeout_s), timeout_s)
        prepared = extensions.get("wire")
        if prepared is not None and prepared[0] is request:
            answer = await self._ask(request.method, prepared[1], deadline)
        else:
            await request.aread()
            origin = Origin.of(request.url)
            if origin == self._origin:
                answer = await self._ask(request.method, _wire(request), deadline)
            else:
                answer = await self._ask_elsewhere(origin, request, deadline)
        return httpx.Response(answer.status, headers=answer.headers, stream=answer, request=request)

    async def connect(self, timeout_s: float) -> None:
        """Open a TCP connection and close it: the least that can be asked.

        Raises:
            httpx.ConnectTimeout, httpx.ConnectError: it failed.
        """
        until = asyncio.get_running_loop().time() + timeout_s
        (await open_socket(self._origin, Deadline(until, timeout_s))).close()

    async def aclose(self) -> None:
        """Close every connection; exchanges under way fail with HubFault."""
        self._closed = True
        if self._sentinel is not None:
            self._sentinel.close()
        for connection in list(self._connections):
            connection.close()

    async def _ask(self, method: str, wire: bytes, deadline: Deadline) -> Answer:
        head = method == "HEAD"
        if self._idle:
            connection = self._idle.pop()
            waiter = connection.send(wire, head=head, deadline=deadline)
            try:
                return await waiter
            except asyncio.CancelledError:
                connection.abandon(waiter)
                raise
            except httpx.TransportError:
                too_late = connection.answered or not connection.closed_by_peer
                if too_late or method not in _MAY_BE_REPEATED:
                    raise
        connection = self._new_connection(self._free)
        return await self._ask_over(connection, self._origin, wire, deadline, head=head)

    async def _ask_elsewhere(
        self, origin: Origin, request: httpx.Request, deadline: Deadline
    ) -> Answer:
        if origin.scheme not in {"http", "https"}:
            raise httpx.UnsupportedProtocol(f"not http or https: {origin.scheme}")
        connection = self._new_connection(Connection.close)
        head = request.method == "HEAD"
        return await self._ask_over(connection, origin, _wire(request), deadline, head=head)

    async def _ask_over(
        self, connection: Connection, origin: Origin, wire: bytes, deadline: Deadline, *, head: bool
    ) -> Answer:
        """Open the connection and exchange; an answer may come before the request is read."""
        waiter = connection.send(wire, head=head, deadline=deadline)
        try:
            await open_connection(origin, connection, self._trust, deadline)
            return await waiter
        except BaseException:
            connection.abandon(waiter)
            raise

    async def _reopen(self) -> None:
        """Open a connection for the next exchange, and to notice when the peer dies."""
        connection = self._new_connection(self._free)
        until = asyncio.get_running_loop().time() + _REOPEN_WITHIN_S
        try:
            await open_connection(
                self._origin, connection, self._trust, Deadline(until, _REOPEN_WITHIN_S)
            )
        except BaseException:
            connection.close()
            raise
        if connection.closed:
            raise failures.connection_lost(None, 0)
        self._free(connection)

    def _new_connection(self, on_free: Callable[[Connection], None]) -> Connection:
        if self._closed:
            raise failures.HubFault("not asked: the transport is closed")
        loop = asyncio.get_running_loop()
        connection = Connection(loop, self._limits, on_free=on_free, on_closed=self._on_closed)
        self._connections.add(connection)
        return connection

    def _free(self, connection: Connection) -> None:
        if self._closed or len(self._idle) >= _KEPT:
            connection.close()
        else:
            self._idle.append(connection)

    def _on_closed(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if connection.lost_idle and self._sentinel is not None:
            self._sentinel.idle_lost(used=connection.used, lived_s=connection.age_s())

    def _time_limit(self, limits: dict[str, float | None] | None) -> float:
        if limits is None:
            return self._timeout_s
        whole = limits.get("whole")
        if whole is not None:
            return whole
        return sum(limits.get(part) or 0.0 for part in ("connect", "read")) or self._timeout_s


def _wire(request: httpx.Request) -> bytes:
    """Return the bytes of a request whose body was read."""
    body = request.content
    headers = request.headers.raw
    if b"transfer-encoding" in (name.lower() for name, _ in headers):
        # The body is sent in one piece, whatever it was read from.
        headers = [pair for pair in headers if pair[0].lower() != b"transfer-encoding"]
        headers.append((b"Content-Length", b"%d" % len(body)))
    lines = [b"%b %b HTTP/1.1" % (request.method.encode("ascii"), request.url.raw_path)]
    lines += [b"%b: %b" % pair for pair in headers]
    if any(_BREAKS_A_LINE.search(line) for line in lines):
        raise httpx.LocalProtocolError("a request header holds a line break")
    return b"\r\n".join([*lines, b"", body])
