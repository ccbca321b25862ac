"""How many actions one project may see in a window."""

from collections.abc import Sequence
from datetime import datetime

from config.healing import RateLimitSettings


def free_at(
    acted_at: Sequence[datetime], settings: RateLimitSettings, now: datetime
) -> datetime | None:
    """Return when the project may be acted on again, None when it may now.

    `acted_at` holds when its attempts began, in any order. The window slides.
    """
    recent = sorted(at for at in acted_at if at > now - settings.within)
    if len(recent) < settings.actions:
        return None
    return recent[-settings.actions] + settings.within
