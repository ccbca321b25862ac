"""Why an exchange failed, in plain words, built from facts: errno, verify code, counts.

Every function returns an httpx exception whose text (`str(error)`) is the detail shown to
people. Nothing here looks at another error's text to decide something.
"""

import errno
import os
import socket
import ssl
from typing import Final

import httpx

_WORDS: Final = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection reset",
    errno.ECONNABORTED: "connection reset",
    errno.EPIPE: "connection reset",
    errno.EHOSTUNREACH: "host unreachable",
    errno.ENETUNREACH: "network unreachable",
    errno.ETIMEDOUT: "connection timed out",
    errno.EACCES: "connection not permitted by this machine",
    errno.EPERM: "connection not permitted by this machine",
}
_OUT_OF: Final = {
    errno.EMFILE: "open files (its limit is reached)",
    errno.ENFILE: "open files (the system's limit is reached)",
    errno.ENOBUFS: "network buffers",
    errno.ENOMEM: "memory",
    errno.EADDRNOTAVAIL: "local ports",
}
# What OpenSSL calls a first record that is no TLS record.
_NO_TLS_RECORD: Final = frozenset(
    {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"}
)


class HubFault(httpx.ConnectError):
    """This machine could not ask; that says nothing about the project."""


def seconds(value: float) -> str:
    return f"{value:g} s"


def resolve_failed(host: str, error: OSError | UnicodeError) -> httpx.ConnectError:
    detail = f"name does not resolve: {host}"
    if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
        detail += " (the name server did not answer)"
    return httpx.ConnectError(detail)


def connect_failed(error: OSError) -> httpx.ConnectError:
    shortage = _OUT_OF.get(error.errno or 0)
    if shortage is not None:
        return HubFault(f"not asked: this machine is out of {shortage}")
    return httpx.ConnectError(_words(error))


def tls_failed(error: OSError) -> httpx.ConnectError:
    """Word what ended a TLS handshake: an ssl.SSLError or the loss of the connection."""
    if isinstance(error, ssl.SSLCertVerificationError):
        problem = error.verify_message.rstrip(".")
        return httpx.ConnectError(f"TLS certificate not trusted: {problem}")
    if isinstance(error, ssl.SSLError):
        return httpx.ConnectError(f"TLS handshake failed: {_tls_words(error)}")
    return httpx.ConnectError(f"TLS handshake failed: {_words(error)}")


def connection_lost(error: OSError | None, bytes_came: int) -> httpx.TransportError:
    """Word the end of a connection in the middle of an exchange; None is an orderly end."""
    if isinstance(error, ssl.SSLError):
        return httpx.ReadError(f"TLS failed: {_tls_words(error)}")
    if error is None:
        return httpx.RemoteProtocolError(f"connection closed after {_bytes(bytes_came)}")
    return httpx.ReadError(f"{_words(error)} after {_bytes(bytes_came)}")


def body_cut_short(came: int, announced: int | None) -> httpx.RemoteProtocolError:
    if announced is None:
        return httpx.RemoteProtocolError(
            f"connection closed before the end of the body ({_bytes(came)} came)"
        )
    return httpx.RemoteProtocolError(
        f"connection closed after {came:,} of {announced:,} bytes of the body"
    )


def not_connected_in_time(step: str, timeout_s: float) -> httpx.ConnectTimeout:
    return httpx.ConnectTimeout(f"{step} within {seconds(timeout_s)}")


def not_answered_in_time(
    timeout_s: float, bytes_came: int, body_bytes: int | None
) -> httpx.ReadTimeout:
    """Word a deadline that passed; `body_bytes` is None while the headers are not complete."""
    if body_bytes is not None:
        came = f" ({_bytes(body_bytes)} came)"
        return httpx.ReadTimeout(f"body not complete within {seconds(timeout_s)}{came}")
    came = f" ({_bytes(bytes_came)} came)" if bytes_came else ""
    return httpx.ReadTimeout(f"no response headers within {seconds(timeout_s)}{came}")


def too_large(what: str, limit: int) -> httpx.RemoteProtocolError:
    return httpx.RemoteProtocolError(f"{what} larger than {_bytes(limit)}")


def not_http(problem: str, beginning: bytes) -> httpx.RemoteProtocolError:
    """Word an answer that breaks HTTP: by its first bytes where already those are foreign."""
    if beginning.lstrip().startswith(b"HTTP/"):
        return httpx.RemoteProtocolError(f"not HTTP: {problem}")
    if beginning[:1] in {b"\x15", b"\x16"} and beginning[1:2] in {b"\x03", b""}:
        return httpx.RemoteProtocolError("not HTTP: the server speaks TLS (https)")
    shown = beginning.decode("ascii", "backslashreplace")
    printable = "".join(sign if sign.isprintable() else "." for sign in shown)
    return httpx.RemoteProtocolError(f"not HTTP: the answer begins with '{printable}'")


def _words(error: OSError) -> str:
    number = error.errno
    if number is None:
        # asyncio raises its own ConnectionResetError without a number.
        return "connection reset" if isinstance(error, ConnectionError) else "connection failed"
    return _WORDS.get(number) or os.strerror(number).lower()


def _tls_words(error: ssl.SSLError) -> str:
    if error.reason in _NO_TLS_RECORD:
        return "the server does not speak TLS"
    return (error.reason or "unknown reason").replace("_", " ").lower()


def _bytes(count: int) -> str:
    return "1 byte" if count == 1 else f"{count:,} bytes"
