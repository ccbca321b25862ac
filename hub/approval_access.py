"""How links for approval are made and read here: with which key, below which address."""

import os
import socket

from actions.approval_links import ApprovalLinks
from config import secret_values
from config.hub_file import HubSettings
from config.settings import Settings
from hub.lasting_key import lasting_key

_ANY_HOST = ("0.0.0.0", "::", "*")


def approval_links(settings: Settings, hub: HubSettings) -> ApprovalLinks:
    """Return what makes and reads the links of this installation.

    The key is OPSLORE_APPROVAL_KEY, or in the file that OPSLORE_APPROVAL_KEY_FILE names, or else
    one of this OPSLORE_HOME's own: hubs on other machines need the same to read each other's.

    Raises:
        OSError: the file of the key cannot be read.
    """
    given = settings.approval_key or secret_values.resolve("${OPSLORE_APPROVAL_KEY:-}", os.environ)
    key = given.encode() if given else lasting_key(settings.home / "approval.key")
    return ApprovalLinks(key, base_url(hub))


def base_url(hub: HubSettings) -> str | None:
    """Return where people reach a hub; None where it listens on any free port."""
    if hub.notification.public_url:
        return hub.notification.public_url
    if hub.listen.port == 0:
        return None
    host = socket.gethostname() if hub.listen.host in _ANY_HOST else hub.listen.host
    return f"http://{f'[{host}]' if ':' in host else host}:{hub.listen.port}"
