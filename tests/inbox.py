"""A real service on loopback that takes messages over apprise's json://, and can misbehave."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message as it arrived; `type` is apprise's word for how bad it is."""

    title: str
    message: str
    type: str


@dataclass(kw_only=True)
class Inbox:
    """Keeps what it is sent; `mood` is how it answers the next request."""

    mood: Literal["takes", "refuses", "hangs"] = "takes"
    received: list[Received] = field(default_factory=list)
    requests: int = 0
    port: int = 0
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def __aenter__(self) -> "Inbox":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.hang_up()
        await asyncio.sleep(0)

    def hang_up(self) -> None:
        """Cut every connection."""
        for writer in list(self._writers):
            writer.transport.abort()

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.port}/inbox"

    @property
    def titles(self) -> list[str]:
        return [message.title for message in self.received]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            body = await _body(reader)
            self.requests += 1
            if self.mood == "hangs":
                await asyncio.sleep(3600)
            if self.mood == "takes":
                said = json.loads(body)
                self.received.append(
                    Received(title=said["title"], message=said["message"], type=said["type"])
                )
            status = "200 OK" if self.mood == "takes" else "500 Sorry"
            writer.write(
                f"HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode()
            )
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()


async def _body(reader: asyncio.StreamReader) -> bytes:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = next(
        int(line.split(":")[1]) for line in head.split("\r\n") if line.startswith("content-length")
    )
    return await reader.readexactly(length)
