"""A name that one hub holds at a time, so that its leases and heartbeats are its own."""

import asyncio
import logging
from contextlib import suppress

import psycopg

from data.named_sql import read_queries

_SQL = read_queries("hub_name")
LOOK_EVERY_S = 2.0

logger = logging.getLogger(__name__)
Connection = psycopg.AsyncConnection[tuple[object, ...]]


class HubName:
    """The first free of `wanted`, `wanted-2`, `wanted-3` …, held by an advisory lock.

    The lock lives as long as a connection: it is free again as soon as its hub is dead, so a
    hub that is restarted gets its name, and with it its projects, back at once. When Postgres
    was away the name is taken anew; `lost` is set if another hub was quicker.
    """

    def __init__(self, url: str, wanted: str) -> None:
        self._url = url
        self._wanted = wanted
        self._connection: Connection | None = None
        self._keeping: asyncio.Task[None] | None = None
        self.name = ""
        self.lost = asyncio.Event()

    async def __aenter__(self) -> "HubName":
        self._connection = await self._connect()
        number = 1
        while not self.name:
            candidate = self._wanted if number == 1 else f"{self._wanted}-{number}"
            if await _take(self._connection, candidate):
                self.name = candidate
            number += 1
        self._keeping = asyncio.create_task(self._keep(self._connection), name="hub name")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeping
        if self._connection is not None:
            await self._connection.close()

    async def _connect(self) -> Connection:
        return await psycopg.AsyncConnection.connect(
            self._url, autocommit=True, connect_timeout=5, application_name="opslore name"
        )

    async def _keep(self, connection: Connection) -> None:
        """Look whether the connection lives, and take the name again over a new one if not."""
        while not self.lost.is_set():
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await connection.execute(_SQL["still_there"])
            except psycopg.Error as error:
                logger.warning("the name %s is taken anew: %s", self.name, error)
                await connection.close()
                self._connection = connection = await self._take_again()

    async def _take_again(self) -> Connection:
        while True:
            with suppress(psycopg.Error):
                connection = await self._connect()
                if not await _take(connection, self.name):
                    logger.error("another hub has taken the name %s", self.name)
                    self.lost.set()
                return connection
            await asyncio.sleep(LOOK_EVERY_S)


async def _take(connection: Connection, name: str) -> bool:
    row = await (await connection.execute(_SQL["take_name"], {"name": name})).fetchone()
    return row is not None and bool(row[0])
