"""What actions are carried out on in tests: a server that records requests, and calls to make."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from actions.call import Call
from config.projects_file import validate_project

ATTEMPT = UUID("0190f3a2-7d1e-7c00-8a00-000000000001")
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Received:
    """A request as it came over the wire."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(kw_only=True)
class Target:
    """A server on loopback that answers every request with the same bytes, and keeps it."""

    answer: bytes
    script: Script | None = None
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def request(self) -> Received:
        """The only request that came."""
        (only,) = self.received
        return only

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            self.received.append(await _read(reader))
            if self.script is not None:
                await self.script(reader, writer)
            else:
                writer.write(self.answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")
    method, target, _ = first.split(" ")
    headers = {
        name.lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines if line)
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(method=method, target=target, headers=headers, body=body)


def answer(status: int, body: object = None, **headers: str) -> bytes:
    """Return an HTTP answer; a body that is no bytes is sent as JSON."""
    content = (
        body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    )
    named = {"content-length": str(len(content)), **headers}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in named.items())
    return f"HTTP/1.1 {status} Because\r\n{head}\r\n".encode() + content


@asynccontextmanager
async def target(reply: bytes = b"", script: Script | None = None) -> AsyncIterator[Target]:
    """Serve on a free port of loopback."""
    serving = Target(answer=reply or answer(200, {}), script=script)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await serving.serve(reader, writer)
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    serving.port = server.sockets[0].getsockname()[1]
    try:
        yield serving
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def call(
    action: str = "restart",
    given: Mapping[str, Any] | None = None,
    *,
    project: str = "chatbot",
    others: Mapping[str, Any] | None = None,
    **spec: Any,
) -> Call:
    """Return a call of an action that a project declares like this."""
    spec.setdefault("risk", "disruptive")
    declared = {action: spec, **(others or {})}
    owner = validate_project({"name": project, "url": "http://a", "actions": declared})
    return Call(
        attempt_id=ATTEMPT,
        project=project,
        action=action,
        spec=owner.actions[action],
        parameters=given or {},
        actor="hub-1",
        reason="memory_percent is above 85",
    )
