"""One HTTP request to a neighbour on this machine, with nothing but the standard library."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit


class NoAnswer(Exception):
    """The neighbour could not be reached, was too slow, or broke the connection off."""


async def request(
    method: str, url: str, body: Mapping[str, object] | None = None, *, timeout_s: float = 2.0
) -> tuple[int, Any]:
    """Return (status, decoded JSON) of one request over a connection of its own.

    Raises:
        NoAnswer: no complete JSON answer came within `timeout_s`.
    """
    try:
        async with asyncio.timeout(timeout_s):
            head, content = await _exchange(method, url, json.dumps(body or {}).encode())
        return int(head.split(b" ", 2)[1]), json.loads(content)
    except (OSError, TimeoutError, ValueError, IndexError) as error:
        raise NoAnswer(f"{method} {url}: {error or type(error).__name__}") from error


async def _exchange(method: str, url: str, body: bytes) -> tuple[bytes, bytes]:
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    try:
        target = f"{place.path}?{place.query}" if place.query else place.path
        head = (
            f"{method} {target} HTTP/1.1\r\nhost: {place.netloc}\r\nconnection: close\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        answer = await reader.read()
    finally:
        writer.close()
    status_and_headers, _, content = answer.partition(b"\r\n\r\n")
    return status_and_headers, content
