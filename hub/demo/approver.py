"""The person of the demo: approves what is asked for, after a moment's thought."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

from actions import approving
from config.errors import OpsloreError
from data import attempts
from data.database import Database

NAME: Final = "demo script"
THINKS_FOR: Final = timedelta(seconds=1)
LOOK_EVERY_S: Final = 0.25


async def approve_what_is_asked(database: Database) -> None:
    """Approve every request once it is a second old, until cancelled."""
    while True:
        with suppress(OpsloreError):
            for attempt in await attempts.list_newest(database, state="pending"):
                if datetime.now(UTC) - attempt.requested_at >= THINKS_FOR:
                    await approving.decide(
                        database, attempt.id, approve=True, by=NAME, reason="the demo goes on"
                    )
        await asyncio.sleep(LOOK_EVERY_S)
