"""A platform on loopback that carries out actions, counts effects, and fails on request."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Received:
    """One request, as it arrived."""

    project: str
    action: str
    key: str | None


Effect = Callable[[Received], Awaitable[None]]


@dataclass(kw_only=True)
class Hosting:
    """Answers POST /PROJECT/ACTION; `before` runs ahead of the effect, `after` ahead of the answer.

    A request has its effect whenever it arrives: who sends it twice has done it twice.
    """

    before: Effect | None = None
    effect: Effect | None = None
    after: Effect | None = None
    status: int = 200
    received: list[Received] = field(default_factory=list)
    effects: list[Received] = field(default_factory=list)
    port: int = 0
    _server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    def actions(self, project: str, *names: str, **fields: object) -> dict[str, object]:
        """Return the `actions` of a project that is hosted here."""
        return {
            name: {
                "driver": "http",
                "method": "POST",
                "url": f"http://127.0.0.1:{self.port}/{project}/{name}",
                "risk": "disruptive",
                **fields,
            }
            for name in names
        }

    def effects_on(self, project: str, action: str) -> list[Received]:
        return [one for one in self.effects if (one.project, one.action) == (project, action)]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                received = _received(head)
                await reader.readexactly(_length(head))
                self.received.append(received)
                if self.before:
                    await self.before(received)
                self.effects.append(received)
                if self.effect:
                    await self.effect(received)
                if self.after:
                    await self.after(received)
                body = json.dumps({"done": received.action}).encode()
                writer.write(
                    f"HTTP/1.1 {self.status} Whatever\r\ncontent-type: application/json\r\n"
                    f"content-length: {len(body)}\r\n\r\n".encode()
                    + body
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def _headers(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines if line)
    return {name.lower(): value.strip() for name, _, value in pairs}


def _received(head: bytes) -> Received:
    path = head.split(b" ", 2)[1].decode()
    _, project, action = path.split("/")
    return Received(project=project, action=action, key=_headers(head).get("idempotency-key"))


def _length(head: bytes) -> int:
    return int(_headers(head).get("content-length", "0"))
