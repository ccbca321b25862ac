"""Samples on their way to the database: stored in batches, kept while Postgres is away."""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice

from data import samples
from data.database import Database, DatabaseError, DatabaseUnavailable
from data.records import HealthSample, LogLine, MetricSample

logger = logging.getLogger(__name__)

LIMIT = 200_000
"""Samples kept while Postgres is away: about an hour and a half of 300 projects."""
BATCH = 5_000
RETRY_S = 0.5

Item = HealthSample | MetricSample | LogLine


class Outbox:
    """Stores what it is given every `flush_s`, at once where that is asked for.

    A batch is one transaction with one COPY per table. A batch that fails stays and is tried
    again; when more waits than there is room for, the oldest go and are counted.
    """

    def __init__(self, database: Database, *, flush_s: float) -> None:
        self._database = database
        self._flush_s = flush_s
        self._items: deque[Item] = deque(maxlen=LIMIT)
        self._urgent = asyncio.Event()
        self._crowded_out = 0
        self._refused = 0
        self.stored = 0

    def __len__(self) -> int:
        return len(self._items)

    @property
    def dropped(self) -> int:
        """How many samples were lost: there was no room, or Postgres refused them."""
        return self._crowded_out + self._refused

    def put(self, item: Item, *, urgent: bool = False) -> None:
        self._crowded_out += len(self._items) == self._items.maxlen
        self._items.append(item)
        if urgent:
            self._urgent.set()

    async def run(self) -> None:
        """Store until cancelled."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._urgent.wait(), self._flush_s)
            self._urgent.clear()
            try:
                await self.flush()
            except DatabaseUnavailable as error:
                logger.warning("%d samples wait for Postgres: %s", len(self._items), error)
                await asyncio.sleep(RETRY_S)

    async def flush(self) -> None:
        """Store everything that waits.

        Raises:
            DatabaseUnavailable: Postgres is away; what was not stored still waits.
        """
        while self._items:
            batch = list(islice(self._items, BATCH))
            before = self._crowded_out
            await self._store(batch)
            for _ in range(len(batch) - (self._crowded_out - before)):
                self._items.popleft()

    async def _store(self, batch: Sequence[Item]) -> None:
        """Store a batch; what Postgres refuses is found by halving, logged and left out."""
        try:
            await samples.append(
                self._database,
                health=[item for item in batch if isinstance(item, HealthSample)],
                metrics=[item for item in batch if isinstance(item, MetricSample)],
                logs=[item for item in batch if isinstance(item, LogLine)],
            )
            self.stored += len(batch)
        except DatabaseUnavailable:
            raise
        except DatabaseError as error:
            if len(batch) == 1:
                self._refused += 1
                logger.error("a sample of %s cannot be stored: %s", batch[0].project, error)
                return
            middle = len(batch) // 2
            await self._store(batch[:middle])
            await self._store(batch[middle:])
