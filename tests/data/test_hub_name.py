"""A name belongs to one hub at a time, also after Postgres was away."""

import asyncio

import pytest

from data import hub_name
from data.database import Database
from data.hub_name import HubName
from tests.programs import eventually

_CUT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE application_name = 'opslore name' AND datname = current_database()"
)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_name, "LOOK_EVERY_S", 0.05)


async def test_a_taken_name_gets_a_number(database_url: str) -> None:
    async with HubName(database_url, "vm") as first, HubName(database_url, "vm") as second:
        assert (first.name, second.name) == ("vm", "vm-2")


async def test_a_name_is_free_again_when_its_hub_is_gone(database_url: str) -> None:
    async with HubName(database_url, "vm"):
        pass
    async with HubName(database_url, "vm") as again:
        assert again.name == "vm"


async def test_a_name_is_held_anew_after_the_connection_broke(
    database: Database, database_url: str
) -> None:
    async with HubName(database_url, "vm") as held:
        await database.execute(_CUT)
        await asyncio.sleep(0.5)
        assert not held.lost.is_set()
        async with HubName(database_url, "vm") as other:
            assert other.name == "vm-2"


async def test_a_name_that_another_took_meanwhile_is_lost(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_name, "LOOK_EVERY_S", 2.0)
    async with HubName(database_url, "vm") as slow:
        await database.execute(_CUT)
        await asyncio.sleep(0.5)  # until the backend, and its lock with it, is gone
        async with HubName(database_url, "vm") as quick:
            assert quick.name == "vm"

            async def lost() -> bool:
                return slow.lost.is_set()

            await eventually(lost)
