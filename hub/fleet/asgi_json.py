"""JSON in and out of a bare ASGI application."""

import json

from hub.standard_api import Receive, Scope, Send

BODY_LIMIT_BYTES = 64_000


class BadRequest(Exception):
    """The request cannot be understood; the message says why and what would be."""


async def read_object(receive: Receive) -> dict[str, object]:
    """Return the JSON object of the request's body, {} for an empty body.

    Raises:
        BadRequest: the body is no JSON object, or longer than 64,000 bytes.
    """
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > BODY_LIMIT_BYTES:
            raise BadRequest(f"the body is longer than {BODY_LIMIT_BYTES} bytes")
    try:
        given = json.loads(body or b"{}")
    except ValueError as error:
        raise BadRequest(f"the body is no JSON: {error}") from error
    if not isinstance(given, dict):
        raise BadRequest("the body must be a JSON object")
    return given


async def send_json(send: Send, status: int, body: object) -> None:
    """Answer with `body` as JSON."""
    encoded = json.dumps(body).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(encoded)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": encoded})


def from_loopback(scope: Scope) -> bool:
    """Tell whether the request came from this machine."""
    return (scope.get("client") or ("",))[0] in ("127.0.0.1", "::1")
