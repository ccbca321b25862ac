"""How much of the fleet may be acted on in a window."""

import math
from collections.abc import Collection

from config.healing import BlastRadiusSettings

LEAST = 2


def most_projects(fleet_size: int, settings: BlastRadiusSettings) -> int:
    """Return how many different projects may be acted on within the window.

    The smaller of the number and the share, but at least two: a fleet of three is not left
    without help because one of it was helped already.
    """
    share = math.floor(fleet_size * settings.percent / 100)
    return max(LEAST, min(settings.projects, share))


def room(acted_projects: Collection[str], fleet_size: int, settings: BlastRadiusSettings) -> int:
    """Return how many projects beside those acted on within the window may be acted on now."""
    return max(0, most_projects(fleet_size, settings) - len(set(acted_projects)))
