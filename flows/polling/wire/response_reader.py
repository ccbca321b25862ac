"""One HTTP/1.1 response after another, read as its bytes arrive, every limit enforced at once."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

import httptools
import httpx

from flows.polling.wire import failures
from flows.polling.wire.decompression import Inflator

_SHOWN_OF_NO_HTTP: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a server may send; the body counts before and after decompression."""

    header_bytes: int = 65_536
    body_bytes: int = 2_000_000
    interim_responses: int = 10


class Answer(httpx.AsyncByteStream):
    """A whole response. `body` is unpacked, and is what it yields as an httpx stream."""

    def __init__(
        self, status: int, headers: list[tuple[bytes, bytes]], body: bytes, *, keep_alive: bool
    ) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.keep_alive = keep_alive

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.body


class _Stop(Exception):
    """Leave the parser: there is a failure, or nothing more to read."""


class ResponseReader:
    """Turns received bytes into Answers; knows nothing of sockets and clocks.

    1. `start` before each request.
    2. `feed` what arrives, until it returns an Answer or raises.
    3. `end` when the peer closed: an Answer, where the body was to last until then.

    Memory stays below the limits plus what one `feed` brings. The methods called `on_...`
    belong to the parser.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._parser: httptools.HttpResponseParser | None = None
        self.start(head=False)

    def start(self, *, head: bool) -> None:
        self.bytes_came = 0
        self.body_bytes = 0
        self.in_body = False
        self._head = head
        self._complete = False
        self._failure: httpx.RequestError | None = None
        self._status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._header_bytes = 0
        self._unframed = 0
        self._interims = 0
        self._beginning = b""
        self._body: bytes | bytearray = b""
        self._announced: int | None = None
        self._until_close = False
        self._keep_alive = False
        self._inflator: Inflator | None = None

    def feed(self, data: bytes) -> Answer | None:
        """Return the answer when it is complete, None when more must come.

        Raises:
            httpx.RemoteProtocolError: it is not HTTP, or larger than a limit.
            httpx.DecodingError: the body does not unpack.
        """
        parser = self._parser
        if parser is None:
            parser = self._parser = _new_parser(self)
        if self.bytes_came < _SHOWN_OF_NO_HTTP:
            self._beginning += data[: _SHOWN_OF_NO_HTTP - self.bytes_came]
        self.bytes_came += len(data)
        self._unframed += len(data)
        try:
            parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._parser = None
            if self._failure is not None:
                raise self._failure from None
            if not self._complete:
                raise failures.not_http(str(error), self._beginning) from None
            # Whatever came after a complete answer spoils the connection, not the answer.
            self._keep_alive = False
        if self._complete:
            return self._answer()
        if self._unframed > self._limits.header_bytes:
            what = "body framing" if self.in_body else "response header"
            raise failures.too_large(what, self._limits.header_bytes)
        return None

    def end(self) -> Answer:
        """Return the answer whose body lasts until the connection closes.

        Raises:
            httpx.RemoteProtocolError: it was not complete.
            httpx.DecodingError: the body does not unpack.
        """
        if not self.in_body:
            raise failures.connection_lost(None, self.bytes_came)
        if not self._until_close:
            raise failures.body_cut_short(self.body_bytes, self._announced)
        return self._answer()

    def on_message_begin(self) -> None:
        if self._complete:
            raise _Stop

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_bytes += len(name) + len(value) + 4
        if self._header_bytes > self._limits.header_bytes:
            self._fail(failures.too_large("response header", self._limits.header_bytes))
        if not self.in_body:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        parser = self._parser
        assert parser is not None
        self._status = status = parser.get_status_code()
        if status < 200:
            self._interim(status)
            return
        self.in_body = True
        self._keep_alive = parser.should_keep_alive()
        self._until_close = True
        encoding = ""
        for name, value in self._headers:
            match name.lower():
                case b"content-length":
                    self._announced = int(value)
                    self._until_close = False
                case b"transfer-encoding":
                    self._until_close = False
                case b"content-encoding":
                    encoding = value.decode("latin-1").strip().lower()
        if self._head:
            # The parser cannot be told that no body follows.
            self._complete = True
            raise _Stop
        if self._announced is not None and self._announced > self._limits.body_bytes:
            self._fail(failures.too_large("body", self._limits.body_bytes))
        if encoding and encoding != "identity":
            self._unpack(encoding)

    def on_body(self, data: bytes) -> None:
        self._unframed = 0
        self.body_bytes += len(data)
        if self.body_bytes > self._limits.body_bytes:
            self._fail(failures.too_large("body", self._limits.body_bytes))
        if self._inflator is not None:
            try:
                data = self._inflator.feed(data)
            except httpx.RequestError as error:
                self._fail(error)
        if not self._body:
            self._body = data
        elif isinstance(self._body, bytearray):
            self._body += data
        else:
            self._body = bytearray(self._body) + data

    def on_message_complete(self) -> None:
        if self.in_body:
            self._complete = True

    def _interim(self, status: int) -> None:
        """Pass over a 1xx response: the final one is still to come."""
        self._interims += 1
        if status == 101 or status < 100:
            self._fail(httpx.RemoteProtocolError(f"not HTTP: status {status} was not asked for"))
        if self._interims > self._limits.interim_responses:
            limit = self._limits.interim_responses
            self._fail(httpx.RemoteProtocolError(f"more than {limit} interim (1xx) responses"))
        self._headers = []

    def _unpack(self, encoding: str) -> None:
        if encoding not in Inflator.ENCODINGS:
            self._fail(httpx.DecodingError(f"content encoding not understood: {encoding[:40]}"))
        self._inflator = Inflator(encoding, self._limits.body_bytes)
        # The body that is handed on is neither encoded nor of the announced length.
        packed = {b"content-encoding", b"content-length", b"transfer-encoding"}
        self._headers = [pair for pair in self._headers if pair[0].lower() not in packed]

    def _answer(self) -> Answer:
        if self._inflator is not None and self.body_bytes:
            self._inflator.finish()
        return Answer(self._status, self._headers, bytes(self._body), keep_alive=self._keep_alive)

    def _fail(self, failure: httpx.RequestError) -> None:
        self._failure = failure
        raise _Stop


def _new_parser(reader: ResponseReader) -> httptools.HttpResponseParser:
    parser = httptools.HttpResponseParser(reader)
    # Bare line feeds and padded chunk sizes are wrong, harmless here, and out in the field.
    parser.set_dangerous_leniencies(
        lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
    )
    return parser
