"""Redirects: where to, how often, and which headers go along."""

import httpx

MAX_REDIRECTS = 5
# What a stranger may be sent: nothing a user has written.
_FOR_ANYONE = ("accept", "accept-encoding", "user-agent")


async def follow(
    transport: httpx.AsyncBaseTransport,
    request: httpx.Request,
    response: httpx.Response,
    until: float,
) -> httpx.Response:
    """Follow a redirect, and those behind it, to a response that is none.

    All of it ends at `until`, loop time. The user's headers stay with their origin: once a
    redirect has left it, they are gone for good.

    Raises:
        httpx.TooManyRedirects: more than five.
        httpx.UnsupportedProtocol: to something that is not http or https.
        httpx.RemoteProtocolError: to something that is no address.
        httpx.TransportError: as the transport failed.
    """
    for _ in range(MAX_REDIRECTS):
        request = _next_request(request, response, until)
        response = await transport.handle_async_request(request)
        if not response.has_redirect_location:
            return response
    raise httpx.TooManyRedirects(f"redirected more than {MAX_REDIRECTS} times", request=request)


def _next_request(request: httpx.Request, response: httpx.Response, until: float) -> httpx.Request:
    location = response.headers["location"]
    try:
        url = request.url.join(location).copy_with(fragment=None, username="", password="")
    except (httpx.InvalidURL, ValueError):
        raise httpx.RemoteProtocolError(
            f"redirected to what is not an address: {location[:200]}"
        ) from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise httpx.UnsupportedProtocol(
            f"redirected to what is not http or https: {location[:200]}"
        )
    old = request.url
    if (url.scheme, url.host, url.port) == (old.scheme, old.host, old.port):
        headers = request.headers
    else:
        kept = ((name, request.headers.get(name)) for name in _FOR_ANYONE)
        headers = httpx.Headers([(name, value) for name, value in kept if value is not None])
    extensions = {"timeout": request.extensions.get("timeout"), "until": until}
    return httpx.Request(request.method, url, headers=headers, extensions=extensions)
