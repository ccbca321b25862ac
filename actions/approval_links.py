"""Signed links that let one person decide about one attempt, without an account."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from itsdangerous import BadData, URLSafeTimedSerializer

from config.errors import OpsloreError

PATH: Final = "/approvals/"
"""What comes before the token, below the hub's address."""

LONGEST: Final = timedelta(days=8)
"""No link is worth anything longer, whatever its attempt waits for."""

_SALT: Final = "opslore approval link 1"


class LinkInvalid(OpsloreError):
    """This is no link that a hub of ours gave out."""


class LinkExpired(OpsloreError):
    """The time of this link is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approver:
    """What a link says: who may decide about which attempt."""

    attempt_id: UUID
    contact: str


class ApprovalLinks:
    """Makes links and reads them again; hubs with the same key know each other's.

    Without `base_url`, such as `https://opslore.example.com`, there is no address to link to.
    The token is the credential: who has it decides in the contact's name.
    """

    def __init__(self, key: bytes, base_url: str | None) -> None:
        self._base_url = base_url.rstrip("/") if base_url else None
        self._serializer: URLSafeTimedSerializer = URLSafeTimedSerializer(
            key,
            salt=_SALT,
            signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
        )

    def link_for(self, attempt_id: UUID, contact: str, expires_at: datetime | None) -> str | None:
        """Return the link that is good until `expires_at`; None where there is no address."""
        if self._base_url is None:
            return None
        return self._base_url + PATH + self.token_for(attempt_id, contact, expires_at)

    def token_for(self, attempt_id: UUID, contact: str, expires_at: datetime | None) -> str:
        until = None if expires_at is None else expires_at.timestamp()
        token = self._serializer.dumps([attempt_id.hex, contact, until])
        return token if isinstance(token, str) else token.decode()

    def read(self, token: str) -> Approver:
        """Return whom and what a token is for.

        Raises:
            LinkInvalid: it was not signed with this key, or is none at all.
            LinkExpired: it was, but its time is over.
        """
        try:
            said, signed_at = self._serializer.loads(token, return_timestamp=True)
            attempt, contact, until = said
            approver = Approver(attempt_id=UUID(hex=attempt), contact=str(contact))
        except (BadData, TypeError, ValueError, AttributeError):
            raise LinkInvalid from None
        now = datetime.now(UTC)
        if now - signed_at > LONGEST or (until is not None and now.timestamp() >= until):
            raise LinkExpired
        return approver
