"""How links for approval are made and read here: with which key, below which address."""

import os
import socket
from typing import Final

from actions.approval_links import ApprovalLinks
from config import secret_values
from config.errors import OpsloreError
from config.hub_file import HubSettings
from config.settings import Settings
from hub.lasting_key import lasting_key

LEAST_KEY_BYTES: Final = 32
_ANY_HOST: Final = ("0.0.0.0", "::", "*")


class ApprovalKeyUnusable(OpsloreError):
    """The key that signs approval links is none."""


def approval_links(settings: Settings, hub: HubSettings) -> ApprovalLinks:
    """Return what makes and reads the links of this installation.

    The key is OPSLORE_APPROVAL_KEY, or in the file that OPSLORE_APPROVAL_KEY_FILE names, or else
    one of this OPSLORE_HOME's own: hubs on other machines need the same to read each other's.

    Raises:
        ApprovalKeyUnusable: it cannot be read, or is under 32 bytes: who guesses it approves.
    """
    return ApprovalLinks(_key(settings), base_url(hub))


def base_url(hub: HubSettings) -> str | None:
    """Return where people reach a hub; None where it listens on any free port."""
    if hub.notification.public_url:
        return hub.notification.public_url
    if hub.listen.port == 0:
        return None
    host = socket.gethostname() if hub.listen.host in _ANY_HOST else hub.listen.host
    return f"http://{f'[{host}]' if ':' in host else host}:{hub.listen.port}"


def _key(settings: Settings) -> bytes:
    file = settings.home / "approval.key"
    try:
        given = secret_values.resolve("${OPSLORE_APPROVAL_KEY:-}", os.environ)
        key = (settings.approval_key or given).encode() or lasting_key(file)
    except OSError as error:
        raise ApprovalKeyUnusable(f"the approval key: {error.filename}: {error.strerror}") from None
    if len(key) < LEAST_KEY_BYTES:
        source = "OPSLORE_APPROVAL_KEY_FILE" if given else str(file)
        raise ApprovalKeyUnusable(
            f"the approval key in {source} must be at least {LEAST_KEY_BYTES} bytes, got {len(key)}"
        )
    return key
