"""Carry out HTTP actions: one transport per way to trust TLS, one connection per request."""

import asyncio
import contextlib
import ssl
from pathlib import Path
from typing import NamedTuple

import httpx

from actions.call import Call, Outcome
from actions.drivers.http_exchange import exchange
from actions.drivers.http_outcome import judge
from actions.drivers.http_request import prepare
from actions.filling import CannotFill, Filling
from config.action_spec import HttpAction


class _Trust(NamedTuple):
    """Whom to believe in TLS; a CA file that was replaced is another."""

    tls: bool
    verify: bool
    ca_file: str | None
    changed_at: int


class HttpDriver:
    """Keeps what requests share. No cookie, proxy or password file of the machine has a part.

    Connections are not kept: on one that was, a request that was never read looks the same as
    one that was read and had its effect.
    """

    def __init__(self) -> None:
        self._transports: dict[_Trust, httpx.AsyncHTTPTransport] = {}

    async def close(self) -> None:
        """Close all connections."""
        transports, self._transports = self._transports, {}
        for transport in transports.values():
            with contextlib.suppress(httpx.HTTPError, OSError):
                await transport.aclose()

    async def carry_out(self, call: Call, spec: HttpAction, filling: Filling) -> Outcome:
        """Send the request of a call.

        Raises:
            CannotFill, SecretMissing, SecretUnreadable: it cannot be filled in;
            nothing was sent.
        """
        request = prepare(call, spec, filling)
        transport = await asyncio.to_thread(self._transport, spec, request.url)
        done = await exchange(transport, request, spec)
        result, detail, permanent = judge(done, spec, filling.secrets)
        return Outcome(result=result, detail=detail, status=done.status, permanent=permanent)

    def _transport(self, spec: HttpAction, url: str) -> httpx.AsyncHTTPTransport:
        try:
            trust = _trust(spec, url)
            if trust not in self._transports:
                self._transports[trust] = _open(trust)
        except (OSError, ssl.SSLError) as error:
            reason = error.strerror if isinstance(error, FileNotFoundError) else "no certificate"
            raise CannotFill(f"ca_file {spec.ca_file}: {reason}") from None
        return self._transports[trust]


def _trust(spec: HttpAction, url: str) -> _Trust:
    tls = url.startswith("https:")
    ca_file = spec.ca_file if tls and spec.verify_tls else None
    changed_at = Path(ca_file).stat().st_mtime_ns if ca_file else 0
    return _Trust(tls, spec.verify_tls, ca_file, changed_at)


def _open(trust: _Trust) -> httpx.AsyncHTTPTransport:
    if not trust.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # believes nobody, and is made at once
    elif trust.ca_file is not None:
        context = ssl.create_default_context(cafile=trust.ca_file)
    else:
        context = httpx.create_ssl_context(verify=trust.verify, trust_env=False)
    return httpx.AsyncHTTPTransport(
        verify=context, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
    )
