"""From an origin to an open connection: name, address, TCP, TLS, all under one deadline."""

import asyncio
import functools
import socket
import ssl
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import httpx

from flows.polling.wire import failures, name_lookup

_PORTS: Final = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """Scheme, host and port: what a connection can be used for."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: httpx.URL) -> Self:
        host = url.raw_host.decode("ascii").removeprefix("[").removesuffix("]")
        return cls(url.scheme, host, url.port or _PORTS.get(url.scheme, 0))


class Deadline(NamedTuple):
    """`until` is loop time, `timeout_s` the limit as people set it."""

    until: float
    timeout_s: float


class Trust(NamedTuple):
    """Whom to believe in TLS; equal ones share one SSLContext, which is dear to make."""

    verify: bool = True
    ca_file: str | None = None

    def context(self) -> ssl.SSLContext:
        """Return the shared context; a CA file that was replaced is read anew.

        Raises:
            HubFault: the CA file cannot be read or holds no certificate.
        """
        if not self.verify or self.ca_file is None:
            return _tls_context(self.verify, None, 0)
        try:
            return _tls_context(True, self.ca_file, Path(self.ca_file).stat().st_mtime_ns)
        except ssl.SSLError:
            problem = "it holds no certificate"
        except OSError as error:
            problem = error.strerror or "it cannot be read"
        raise failures.HubFault(f"not asked: ca_file {self.ca_file}: {problem}")


@functools.lru_cache(maxsize=256)
def _tls_context(verify: bool, ca_file: str | None, _changed_at: int) -> ssl.SSLContext:
    if ca_file is None:
        context = httpx.create_ssl_context(verify=verify)
    else:
        context = ssl.create_default_context(cafile=ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context


async def open_connection(
    origin: Origin, protocol: asyncio.Protocol, trust: Trust, deadline: Deadline
) -> None:
    """Connect `protocol` to the origin.

    Raises:
        httpx.ConnectTimeout: the deadline passed.
        httpx.ConnectError: it failed otherwise; HubFault where this machine is the reason.
    """
    context = trust.context() if origin.scheme == "https" else None
    sock = await open_socket(origin, deadline)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout_at(deadline.until):
            await loop.create_connection(
                lambda: protocol,
                sock=sock,
                ssl=context,
                server_hostname=origin.host.partition("%")[0].rstrip(".") if context else None,
            )
    except TimeoutError:
        raise failures.not_connected_in_time(
            "TLS handshake not complete", deadline.timeout_s
        ) from None
    except OSError as error:
        raise failures.tls_failed(error) from None


async def open_socket(origin: Origin, deadline: Deadline) -> socket.socket:
    """Return a connected, non-blocking socket.

    Raises:
        httpx.ConnectTimeout, httpx.ConnectError: as the last address failed.
    """
    host, port = origin.host, origin.port
    names = name_lookup.of_this_loop()
    started_at = asyncio.get_running_loop().time()
    known = names.remembered(host, port)
    if not known:
        return await _connect_to_any(await _look_up(names, origin, deadline), deadline)
    try:
        return await _connect_to_any(known, deadline)
    except httpx.ConnectError:
        # The name may point elsewhere by now. Of many that find out, one asks.
        fresh = names.remembered(host, port, since=started_at)
        fresh = fresh or await _look_up(names, origin, deadline)
        if fresh == known:
            raise
    return await _connect_to_any(fresh, deadline)


async def _look_up(
    names: name_lookup.NameLookup, origin: Origin, deadline: Deadline
) -> list[name_lookup.Address]:
    try:
        async with asyncio.timeout_at(deadline.until):
            return await names.ask(origin.host, origin.port)
    except TimeoutError:
        raise failures.not_connected_in_time(
            f"name not resolved: {origin.host}", deadline.timeout_s
        ) from None
    except (OSError, UnicodeError) as error:
        raise failures.resolve_failed(origin.host, error) from None


async def _connect_to_any(
    addresses: list[name_lookup.Address], deadline: Deadline
) -> socket.socket:
    """Connect to the first address that can be reached.

    Each gets an equal share of the time that is left, so that a dead first one (IPv6, often)
    does not use up the time of the second.
    """
    loop = asyncio.get_running_loop()
    failure: httpx.TransportError = httpx.ConnectError("name does not resolve: no addresses")
    for tried, (family, address) in enumerate(addresses):
        now = loop.time()
        share_ends_at = now + (deadline.until - now) / (len(addresses) - tried)
        try:
            return await _connect(family, address, share_ends_at)
        except TimeoutError as error:
            # The system's own ETIMEDOUT has a number, the passed deadline has none.
            failure = (
                failures.connect_failed(error)
                if error.errno
                else failures.not_connected_in_time("no connection", deadline.timeout_s)
            )
        except OSError as error:
            failure = failures.connect_failed(error)
    raise failure


async def _connect(family: int, address: Any, until: float) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        async with asyncio.timeout_at(until):
            await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock
