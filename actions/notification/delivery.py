"""Bring a message to one address, through apprise, within a time limit.

apprise blocks, and a service may never answer: each delivery has a thread of its own, which is
left behind when the time is over. Its request may still arrive, so a message may come twice.
"""

import asyncio
import hashlib
import logging
import os
import threading
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from actions.notification.masking import mask
from actions.notification.templating import Text
from config import secret_values
from config.durations import format_duration
from config.escalation import Severity

_said: Final = logging.getLogger("apprise")
_said.propagate = False  # what it says may hold secrets: it is masked and told as an error
for logger in (_said, logging.getLogger("urllib3")):
    logger.setLevel(logging.WARNING)  # their debug lines hold whole addresses

MOST_LEFT_BEHIND: Final = 3
"""How many deliveries to one address may hang before the next one is refused at once."""


_loading: Final = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How a delivery went; `error` is one line without secrets, None when it arrived."""

    address: str
    error: str | None


def fingerprint(template: str) -> str:
    """Return what an address is remembered by: 12 hex digits that do not tell it."""
    return hashlib.sha256(template.encode()).hexdigest()[:12]


def service_of(template: str) -> str:
    """Return what an address may be called by: its service, or the variable that holds it."""
    service, separator, _ = template.partition("://")
    if separator and "$" not in service:
        return service
    return ", ".join(secret_values.names(template)) or "a default"


class Courier:
    """Delivers to addresses, which are templates as in `config.secret_values`."""

    def __init__(self, timeout: timedelta, environ: Mapping[str, str] = os.environ) -> None:
        self._timeout = timeout
        self._environ = environ
        self._under_way: dict[str, int] = {}

    async def deliver(
        self, template: str, text: Text, severity: Severity, *, over: bool = False
    ) -> Delivery:
        """Send a message; whatever goes wrong comes out as an error text. `over`: good news."""
        address = fingerprint(template)
        if self._under_way.get(address, 0) >= MOST_LEFT_BEHIND:
            return Delivery(address=address, error="earlier messages to it still hang")
        try:
            url = secret_values.resolve(template, self._environ)
        except (secret_values.SecretMissing, ValueError) as error:
            return Delivery(address=address, error=str(error))
        except OSError as error:
            return Delivery(address=address, error=f"a secret cannot be read: {error.strerror}")
        error_text = await self._within_time(address, lambda: _send(url, text, severity, over=over))
        return Delivery(address=address, error=error_text)

    async def _within_time(self, address: str, send: Callable[[], str | None]) -> str | None:
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[str | None] = loop.create_future()

        def finish(error: str | None) -> None:
            self._under_way[address] -= 1
            if not answered.done():
                answered.set_result(error)

        def work() -> None:
            error = send()
            try:
                loop.call_soon_threadsafe(finish, error)
            except RuntimeError:  # the loop is gone: nobody waits any more
                return

        self._under_way[address] = self._under_way.get(address, 0) + 1
        threading.Thread(target=work, name=f"notify {address}", daemon=True).start()
        try:
            async with asyncio.timeout(self._timeout.total_seconds()):
                return await answered
        except TimeoutError:
            return f"no answer within {format_duration(self._timeout)}"


def _send(url: str, text: Text, severity: Severity, *, over: bool) -> str | None:
    """Send in this thread and return None, or what went wrong."""
    try:
        with _Heard() as heard:
            sent = _notify(url, text, severity, over=over)
    except Exception as error:  # any of a hundred plugins
        return mask(f"{type(error).__name__}: {error}", [url])
    if sent:
        return None
    return mask(heard.text or "the service refused the message", [url])


def load_services() -> Any:
    """Return apprise with its services loaded: about a second, the first time.

    Some of them import what Python is about to remove; that is no news for who is notified.
    """
    with _loading, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import apprise  # noqa: PLC0415  - only who sends need wait for it

        apprise.Apprise.instantiate("json://localhost")
    return apprise


def _notify(url: str, text: Text, severity: Severity, *, over: bool) -> bool:
    apprise = load_services()
    asset = apprise.AppriseAsset(
        app_id="Opslore", app_desc="Opslore", async_mode=False, storage_mode="memory"
    )
    plugin = apprise.Apprise.instantiate(url, asset=asset)
    if plugin is None:
        _said.error("not an address that apprise knows, or not complete")
        return False
    if plugin.overflow_mode == apprise.OverflowMode.UPSTREAM:
        plugin.overflow_mode = apprise.OverflowMode.SPLIT
    kinds = {
        "info": apprise.NotifyType.INFO,
        "warning": apprise.NotifyType.WARNING,
        "critical": apprise.NotifyType.FAILURE,
    }
    message = apprise.Apprise(asset=asset)
    message.add(plugin)
    return bool(
        message.notify(
            title=text.subject,
            body=text.body,
            notify_type=apprise.NotifyType.SUCCESS if over else kinds[severity],
            body_format=apprise.NotifyFormat.TEXT,
        )
    )


class _Heard(logging.Handler):
    """Hears what apprise says in this thread."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._thread = threading.get_ident()
        self._lines: list[str] = []

    @property
    def text(self) -> str:
        return "; ".join(self._lines[:5])

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self._lines.append(record.getMessage())

    def __enter__(self) -> "_Heard":
        _said.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        _said.removeHandler(self)
