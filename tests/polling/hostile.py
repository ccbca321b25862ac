"""Loopback servers that answer wrongly, slowly, endlessly or not at all."""

import asyncio
import contextlib
import socket
import ssl
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

HEALTHY = b'{"status": "healthy"}'


@dataclass(slots=True)
class Served:
    """A running server: where it is, and what it has seen."""

    url: str
    port: int
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    open_writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def close_connections(self) -> None:
        for writer in self.open_writers:
            writer.transport.abort()


@contextlib.asynccontextmanager
async def serving(
    handle: Handler, *, tls: ssl.SSLContext | None = None, port: int = 0, host: str = "127.0.0.1"
) -> AsyncIterator[Served]:
    """Serve with `handle` per connection, which is closed when `handle` returns."""
    served = Served("", 0)
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.connections += 1
        served.open_writers.add(writer)
        reader.served = served  # type: ignore[attr-defined]
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await handle(reader, writer)
        finally:
            served.open_writers.discard(writer)
            writer.transport.abort() if tls else writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(connected(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, host, port, ssl=tls)
    served.port = server.sockets[0].getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    served.url = f"{'https' if tls else 'http'}://{shown}:{served.port}"
    try:
        yield served
    finally:
        server.close()
        # A connection that was only just accepted becomes a task first.
        await asyncio.sleep(0.005)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # One turn for the transports to close their sockets.
        await asyncio.sleep(0)


async def read_request(reader: asyncio.StreamReader) -> bytes:
    request = await reader.readuntil(b"\r\n\r\n")
    reader.served.requests.append(request)  # type: ignore[attr-defined]
    return request


def response(
    body: bytes = HEALTHY, *headers: bytes, status: bytes = b"200 OK", length: int | None = None
) -> bytes:
    """Return a response with a Content-Length, right unless `length` says otherwise."""
    announced = b"Content-Length: %d" % (len(body) if length is None else length)
    return b"\r\n".join([b"HTTP/1.1 " + status, *headers, announced, b"", body])


def answering(*payloads: bytes, hold: bool = False) -> Handler:
    """Answer each request with the next payload (the last one again and again).

    Without `hold` the connection is closed after the last payload.
    """

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        remaining = list(payloads)
        while True:
            await read_request(reader)
            payload = remaining.pop(0) if len(remaining) > 1 else remaining[0]
            writer.write(payload)
            await writer.drain()
            if not hold:
                return

    return handle


def answering_byte_by_byte(payload: bytes) -> Handler:
    """Answer each request, in as many packets as bytes."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await read_request(reader):
            for position in range(len(payload)):
                writer.write(payload[position : position + 1])
                await asyncio.sleep(0.001)

    return handle


def answering_then_resetting(payload: bytes) -> Handler:
    """Send `payload`, then reset the connection (RST, not FIN)."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        if payload:
            writer.write(payload)
            await writer.drain()
            await asyncio.sleep(0.05)
        reset(writer)

    return handle


def reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def stalling(payload: bytes = b"") -> Handler:
    """Send `payload` and then nothing, for ever."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(payload)
        await reader.read()

    return handle


def dripping(at_once: bytes, drop: bytes, every_s: float = 0.02) -> Handler:
    """Send `at_once`, then `drop` again and again, each time before anyone may call it idle."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(at_once)
        while True:
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(every_s)

    return handle


def pouring(at_once: bytes, piece: bytes, times: int | None = None) -> Handler:
    """Send `at_once`, then `piece` as often and as fast as it is read."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(at_once)
        poured = 0
        while times is None or poured < times:
            writer.write(piece)
            await writer.drain()
            poured += 1
        await reader.read()

    return handle


async def closing_at_once(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Accept and close, without a word."""


def speaking_first(payload: bytes) -> Handler:
    """Send `payload` before any request."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(payload)
        await writer.drain()
        await reader.read()

    return handle


def gzip_bomb() -> bytes:
    """Return about 1 MB that unpacks to 1 GB, made in no time.

    A block of deflate that ends in a full flush may be repeated: it refers to nothing before it.
    """
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = packer.compress(bytes(1_000_000)) + packer.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" + block * 1_000


def unused_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
