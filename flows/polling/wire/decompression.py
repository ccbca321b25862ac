"""Bodies that arrive compressed, unpacked piece by piece under a limit."""

import zlib
from typing import Final

import httpx

from flows.polling.wire import failures

_GZIP: Final = 16 + zlib.MAX_WBITS


class Inflator:
    """Unpacks one gzip or deflate body.

    Never makes more than one byte above `limit` in total, so that a bomb costs no more than
    an honest body. What follows the end of the compressed stream is ignored.
    """

    ENCODINGS = frozenset({"gzip", "x-gzip", "deflate"})

    def __init__(self, encoding: str, limit: int) -> None:
        self._name = "deflate" if encoding == "deflate" else "gzip"
        self._limit = limit
        self._made = 0
        self._held = b""
        self._stream: zlib._Decompress | None = (
            None if encoding == "deflate" else zlib.decompressobj(_GZIP)
        )

    def feed(self, data: bytes) -> bytes:
        """Return what `data` unpacks to.

        Raises:
            httpx.RemoteProtocolError: the body is larger than the limit.
            httpx.DecodingError: the bytes are not what the encoding says.
        """
        if self._stream is None:
            data = self._held + data
            if len(data) < 2:
                self._held = data
                return b""
            self._stream = zlib.decompressobj(_window_bits(data))
        if self._stream.eof:
            return b""
        try:
            unpacked = self._stream.decompress(data, self._limit - self._made + 1)
        except zlib.error:
            raise httpx.DecodingError(f"{self._name} body is damaged") from None
        self._made += len(unpacked)
        if self._made > self._limit:
            raise failures.too_large("decompressed body", self._limit)
        return unpacked

    def finish(self) -> None:
        """Raise httpx.DecodingError when the compressed stream has not come to its end."""
        if self._stream is None or not self._stream.eof:
            raise httpx.DecodingError(f"{self._name} body ends too early")


def _window_bits(beginning: bytes) -> int:
    """Tell deflate in a zlib wrapper (RFC 1950) from bare deflate, which some servers send."""
    wrapped = beginning[0] & 0x0F == 8 and int.from_bytes(beginning[:2], "big") % 31 == 0
    return zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS
