"""Send anchors of the audit chain to an address outside, where the database's owner has no say."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Self

import httpx

from config import secret_values
from config.errors import OpsloreError
from data.anchors import Anchor
from data.json_text import to_json

WAIT_S = 1.0
TIMEOUT_S = 5.0


class AnchorNotTaken(OpsloreError):
    """The anchor was not taken at its address."""


class AnchorPost:
    """POSTs anchors as JSON; header values are templates, resolved for each request."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._url = url
        self._headers = headers
        self._client = httpx.AsyncClient(timeout=TIMEOUT_S)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def send(self, anchor: Anchor, *, tries: int) -> None:
        """Send an anchor, again after 1 s, 2 s … where it is not taken with a 2xx.

        Raises:
            AnchorNotTaken: it was not taken in so many tries, or a secret is not set.
        """
        for number in range(1, tries + 1):
            try:
                return await self._send(anchor)
            except AnchorNotTaken:
                if number == tries:
                    raise
                await asyncio.sleep(number * WAIT_S)
        return None

    async def _send(self, anchor: Anchor) -> None:
        body = {**asdict(anchor), "database": str(anchor.database)}
        headers = {"content-type": "application/json", **self._resolved()}
        try:
            answer = await self._client.post(self._url, content=to_json(body), headers=headers)
        except httpx.HTTPError as error:
            raise AnchorNotTaken(
                f"{self._url} did not take the anchor of row {anchor.seq}:"
                f" {error or type(error).__name__}"
            ) from None
        if not answer.is_success:
            raise AnchorNotTaken(
                f"{self._url} did not take the anchor of row {anchor.seq}:"
                f" it answered {answer.status_code}"
            )

    def _resolved(self) -> dict[str, str]:
        resolved = {}
        for name, template in self._headers.items():
            try:
                value = secret_values.resolve(template, os.environ)
            except secret_values.SecretMissing as missing:
                raise AnchorNotTaken(
                    f"the secret {missing.name} for the header {name} is not set"
                ) from None
            except OSError as error:
                raise AnchorNotTaken(
                    f"the secret for the header {name} cannot be read: {error.strerror}"
                ) from None
            if not value.isascii() or not value.isprintable():
                raise AnchorNotTaken(f"the header {name} holds a character that cannot be sent")
            resolved[name] = value
        return resolved
