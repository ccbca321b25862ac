"""How the demo's hub works: as any hub, but in seconds where others take minutes."""

from datetime import timedelta
from typing import Final

from config.contacts import Contact, NotificationSettings
from config.escalation import EscalationStep
from config.healing import BlastRadiusSettings, HealingSettings, RetrySettings
from config.hub_file import HubSettings, ListenSettings

PERSON: Final = "you"

HUB: Final = HubSettings(
    listen=ListenSettings(port=0),
    healing=HealingSettings(
        grace=timedelta(seconds=3),
        retry=RetrySettings(wait_initial=timedelta(seconds=2)),
        cooldown=timedelta(seconds=5),
        blast_radius=BlastRadiusSettings(percent=100),
    ),
    notification=NotificationSettings(
        group_wait=timedelta(seconds=2), group_interval=timedelta(seconds=5)
    ),
)


def hub_of(platform_url: str) -> HubSettings:
    """Return how the demo's hub works: who is told has an inbox at the platform."""
    inbox = platform_url.replace("http://", "json://", 1) + "/inbox"
    healing = HUB.healing.model_copy(update={"escalate": (EscalationStep(notify=PERSON),)})
    return HUB.model_copy(update={"healing": healing, "contacts": {PERSON: Contact(urls=(inbox,))}})
