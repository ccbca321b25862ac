"""How the demo's hub works: as any hub, but in seconds where others take minutes."""

from datetime import timedelta
from typing import Final

from config.healing import BlastRadiusSettings, HealingSettings, RetrySettings
from config.hub_file import HubSettings, ListenSettings

HUB: Final = HubSettings(
    listen=ListenSettings(port=0),
    healing=HealingSettings(
        grace=timedelta(seconds=3),
        retry=RetrySettings(wait_initial=timedelta(seconds=2)),
        cooldown=timedelta(seconds=5),
        blast_radius=BlastRadiusSettings(percent=100),
    ),
)
