"""How long to wait before an action is tried again."""

from datetime import datetime

from config.healing import RetrySettings


def next_attempt_at(
    retry: RetrySettings, attempts: int, last_finished_at: datetime
) -> datetime | None:
    """Return when to try again, or None when the attempts are used up.

    The delay is min(wait_max, wait_initial * 2 ** (attempts - 1)), without jitter. `attempts`
    counts finished tries, so the first retry passes 1.

    Raises:
        ValueError: `attempts` is below 1.
    """
    if attempts < 1:
        raise ValueError(f"attempts must be at least 1, got {attempts}")
    if attempts >= retry.max_attempts:
        return None
    return last_finished_at + min(retry.wait_max, retry.wait_initial * 2.0 ** (attempts - 1))
