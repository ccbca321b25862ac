"""One connection to a server: one exchange at a time, under a deadline."""

import asyncio
from collections.abc import Callable
from typing import Final, cast

import httpx

from flows.polling.wire import failures
from flows.polling.wire.opening import Deadline
from flows.polling.wire.response_reader import Answer, Limits, ResponseReader

# A deadline that fires later than this shows that this process was busy, not the server slow.
_LATE_S: Final = 0.05
_GRACE_S: Final = 0.01


class Connection(asyncio.Protocol):
    """Carries one exchange after another and says when it becomes free or closes.

    `on_free` is called when an exchange left it fit for the next one, `on_closed` once, for
    whatever reason; `lost_idle` then tells that the peer closed it, or sent something, between
    exchanges. Any failure closes it at once.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        limits: Limits,
        *,
        on_free: Callable[["Connection"], None],
        on_closed: Callable[["Connection"], None],
    ) -> None:
        self.closed = False
        self.closed_by_peer = False
        self.lost_idle = False
        self.used = False
        self._loop = loop
        self._reader = ResponseReader(limits)
        self._on_free = on_free
        self._on_closed = on_closed
        self._transport: asyncio.WriteTransport | None = None
        self._waiter: asyncio.Future[Answer] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._wire = b""
        self._deadline = Deadline(0.0, 0.0)
        self._lenient = False
        self._opened_at = loop.time()

    @property
    def answered(self) -> bool:
        """Whether any byte came in the present or last exchange."""
        return self._reader.bytes_came > 0

    def age_s(self) -> float:
        return self._loop.time() - self._opened_at

    def send(self, wire: bytes, *, head: bool, deadline: Deadline) -> asyncio.Future[Answer]:
        """Send a request, now or once connected, and return what will hold the answer."""
        self._waiter = waiter = self._loop.create_future()
        self._reader.start(head=head)
        self._wire = wire
        self._deadline = deadline
        if self._transport is not None:
            self._begin()
        return waiter

    def abandon(self, waiter: asyncio.Future[Answer]) -> None:
        """Give up an exchange: close, unless it is over already."""
        if self._waiter is waiter:
            self.close()
        if waiter.done() and not waiter.cancelled():
            # Nobody is left to ask for it.
            waiter.exception()

    def close(self) -> None:
        """Close at once; who waits for an answer is told that the hub gave up."""
        if self.closed:
            return
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(failures.HubFault("not answered: the hub closed the connection"))
        self._on_closed(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not of asyncio's classes.
        self._transport = cast("asyncio.WriteTransport", transport)
        self._opened_at = self._loop.time()
        if self.closed:
            self._transport.abort()
        elif self._waiter is not None:
            self._begin()

    def data_received(self, data: bytes) -> None:
        if self._waiter is None:
            self._idle_is_over()
            return
        try:
            answer = self._reader.feed(data)
        except httpx.RequestError as failure:
            self._fail(failure)
            return
        if answer is not None:
            self._finish(answer)

    def eof_received(self) -> None:
        self._ended(None)

    def connection_lost(self, error: Exception | None) -> None:
        self._ended(error)

    def _begin(self) -> None:
        assert self._transport is not None
        self._lenient = False
        self._timer = self._loop.call_at(self._deadline.until, self._deadline_passed)
        self._transport.write(self._wire)

    def _finish(self, answer: Answer) -> None:
        waiter, self._waiter = self._waiter, None
        assert waiter is not None
        assert self._timer is not None
        self._timer.cancel()
        self.used = True
        if answer.keep_alive:
            self._on_free(self)
        else:
            self.close()
        if not waiter.done():
            waiter.set_result(answer)

    def _fail(self, failure: httpx.RequestError) -> None:
        waiter, self._waiter = self._waiter, None
        self.close()
        if waiter is not None and not waiter.done():
            waiter.set_exception(failure)

    def _ended(self, error: Exception | None) -> None:
        """The peer closed (None) or the connection broke."""
        if self.closed:
            return
        if self._waiter is None:
            self._idle_is_over()
            return
        self.closed_by_peer = True
        if error is not None:
            # Transports report a broken connection as OSError; anything else is no less broken.
            lost = error if isinstance(error, OSError) else OSError()
            self._fail(failures.connection_lost(lost, self._reader.bytes_came))
            return
        try:
            answer = self._reader.end()
        except httpx.RequestError as failure:
            self._fail(failure)
        else:
            self._finish(answer)

    def _idle_is_over(self) -> None:
        if not self.closed:
            self.lost_idle = True
            self.close()

    def _deadline_passed(self) -> None:
        if not self._lenient and self._loop.time() - self._deadline.until > _LATE_S:
            # The answer may be here already: read the sockets once, then judge.
            self._lenient = True
            self._timer = self._loop.call_later(_GRACE_S, self._deadline_passed)
            return
        reader = self._reader
        body_bytes = reader.body_bytes if reader.in_body else None
        self._fail(
            failures.not_answered_in_time(self._deadline.timeout_s, reader.bytes_came, body_bytes)
        )
