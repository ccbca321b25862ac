"""A name that one hub holds at a time, so that its leases and heartbeats are its own."""

import psycopg

from data.named_sql import read_queries

_SQL = read_queries("hub_name")


class HubName:
    """The first free of `wanted`, `wanted-2`, `wanted-3` …, held by an advisory lock.

    The lock lives as long as a connection: it is free again as soon as its hub is dead, so a
    hub that is restarted gets its name, and with it its projects, back at once.
    """

    def __init__(self, url: str, wanted: str) -> None:
        self._url = url
        self._wanted = wanted
        self._connection: psycopg.AsyncConnection[tuple[object, ...]] | None = None
        self.name = ""

    async def __aenter__(self) -> "HubName":
        self._connection = await psycopg.AsyncConnection.connect(
            self._url, autocommit=True, application_name="opslore name"
        )
        number = 1
        while not self.name:
            candidate = self._wanted if number == 1 else f"{self._wanted}-{number}"
            cursor = await self._connection.execute(_SQL["take_name"], {"name": candidate})
            row = await cursor.fetchone()
            if row is not None and row[0]:
                self.name = candidate
            number += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._connection is not None:
            await self._connection.close()
