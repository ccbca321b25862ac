"""How much of the fleet may be acted on in a window."""

import math
from collections.abc import Collection

from config.healing import BlastRadiusSettings


def most_projects(fleet_size: int, settings: BlastRadiusSettings) -> int:
    """Return how many different projects may be acted on within the window: at least one."""
    share = math.floor(fleet_size * settings.percent / 100)
    return max(1, min(settings.projects, share))


def room(acted_projects: Collection[str], fleet_size: int, settings: BlastRadiusSettings) -> int:
    """Return how many projects beside those acted on within the window may be acted on now."""
    return max(0, most_projects(fleet_size, settings) - len(set(acted_projects)))
