"""The form of an approval page, as it comes in: checked for its type, its size and what it says."""

import asyncio
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs

from config.errors import OpsloreError
from hub.approval_html import MOST_REASON
from hub.standard_api import Receive, Scope

MOST_BYTES: Final = 8_000
WITHIN_S: Final = 10.0
_TYPE: Final = "application/x-www-form-urlencoded"


class FormRefused(OpsloreError):
    """The form cannot be used; `status` is the HTTP status that says so."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What was decided, and why; a rejection has a reason."""

    approve: bool
    reason: str


async def read_form(scope: Scope, receive: Receive) -> Decided:
    """Return what the form of a request says.

    Raises:
        FormRefused: another type of content, over 8,000 bytes, not there within 10 s, no such
            decision, a reason over 500 characters, or a rejection without one.
    """
    if _content_type(scope) != _TYPE:
        raise FormRefused(415, f"The content must be of the type {_TYPE}.")
    try:
        async with asyncio.timeout(WITHIN_S):
            body = await _read_body(receive)
    except TimeoutError:
        raise FormRefused(408, "The form did not come in time.") from None
    return _decided(body)


def _content_type(scope: Scope) -> str:
    for name, value in scope.get("headers", ()):
        if name.lower() == b"content-type":
            return str(value.decode("latin-1")).partition(";")[0].strip().lower()
    return ""


async def _read_body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise FormRefused(400, "The form is not complete.")
        body += message.get("body", b"")
        if len(body) > MOST_BYTES:
            raise FormRefused(413, f"The form must be at most {MOST_BYTES:,} bytes.")
        if not message.get("more_body", False):
            return bytes(body)


def _decided(body: bytes) -> Decided:
    try:
        given = parse_qs(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=10)
    except ValueError:  # also UnicodeDecodeError
        raise FormRefused(400, "The form cannot be read.") from None
    decisions = given.get("decision", [])
    reason = " ".join(" ".join(given.get("reason", [])).replace("\0", " ").split())
    if decisions not in (["approve"], ["reject"]):
        raise FormRefused(400, "The decision must be approve or reject.")
    if len(reason) > MOST_REASON:
        raise FormRefused(400, f"The reason must be at most {MOST_REASON} characters.")
    if decisions == ["reject"] and not reason:
        raise FormRefused(400, "A rejection needs a reason.")
    return Decided(approve=decisions == ["approve"], reason=reason)
