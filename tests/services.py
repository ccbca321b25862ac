"""Small real HTTP services on loopback, for hubs to watch, and for tests to break."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import yaml


@dataclass(kw_only=True)
class Service:
    """Answers /health, /metrics, /status and /logs with what its fields say."""

    name: str
    status: str = "healthy"
    metrics: dict[str, float] = field(
        default_factory=lambda: {"cpu_percent": 20.0, "memory_percent": 40.0}
    )
    version: str = "1.0.0"
    port: int = 0
    probes: int = 0
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def start(self) -> None:
        """Listen, on the port of the time before if there was one."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def crash(self) -> None:
        """Stop listening and cut every connection, as the kernel does for a process that died."""
        if self._server is not None:
            self._server.close()
            for writer in list(self._writers):
                writer.transport.abort()
            self._server = None
            await asyncio.sleep(0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while request := await reader.readuntil(b"\r\n\r\n"):
                path = request.split(b" ", 2)[1].decode().partition("?")[0]
                body = json.dumps(self._answer(path)).encode()
                writer.write(
                    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: "
                    + str(len(body)).encode()
                    + b"\r\n\r\n"
                    + body
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    def _answer(self, path: str) -> object:
        match path:
            case "/health":
                self.probes += 1
                return {"status": self.status}
            case "/metrics":
                return self.metrics
            case "/status":
                return {"name": self.name, "version": self.version, "state": "running"}
            case _:
                return {"lines": []}


def projects_yaml(services: Sequence[Service], **defaults: object) -> str:
    """Return a projects file for these services."""
    return yaml.safe_dump(
        {
            "defaults": defaults,
            "projects": [{"name": service.name, "url": service.url} for service in services],
        }
    )
