"""The services that a benchmark watches: any number of them behind one port, as cheap as can be."""

import asyncio
import sys
from typing import cast

import uvloop

METRICS = "".join(
    f"# HELP {name} A value.\n# TYPE {name} gauge\n{name} {value}\n"
    for name, value in (
        ("cpu_percent", 23.5),
        ("memory_percent", 41.25),
        ("error_rate_percent", 0.4),
        ("response_ms", 38),
        ("requests_total", 120034),
        ("queue_depth", 12),
        ("uptime_seconds", 86400),
    )
) + "".join(f'worker_jobs_total{{worker="{n}"}} {n * 100}\n' for n in range(8))
HEALTH = '{"status":"healthy","checks":{"queue":{"status":"healthy"}},"version":"1.0.0"}'


def _response(body: str, content_type: str) -> bytes:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}"
    return f"{head}\r\n\r\n{body}".encode()


class Target(asyncio.Protocol):
    """Answers each request with the same bytes, told apart by the path's end."""

    health = _response(HEALTH, "application/json")
    metrics = _response(METRICS, "text/plain; version=0.0.4")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        path = data.partition(b" HTTP/")[0]
        self._transport.write(self.metrics if path.endswith(b"/metrics") else self.health)


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Target, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
