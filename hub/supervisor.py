"""The processes of one machine: started in order, kept running, stopped in the reverse order."""

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from typing import Self

from config.hub_file import HubSettings
from config.settings import ROOT, Settings
from data.embedded import EmbeddedPostgres, EmbeddedPostgresFailed
from data.first_contact import first_contact
from hub.prefect_server import PrefectServer
from hub.processes import Child
from hub.reaper import Reaper
from hub.record_access import embedded_postgres

logger = logging.getLogger(__name__)

WATCH_POSTGRES_EVERY_S = 0.5


class Supervisor:
    """Runs Postgres, Prefect and a hub, each started again when it dies.

    A reaper in a process of its own ends them all if this process dies without doing so.
    A Postgres or a Prefect that was given by its address is used and left alone.
    """

    def __init__(self, settings: Settings, hub: HubSettings) -> None:
        self.settings = settings
        self._hub_settings = hub
        self._stack = AsyncExitStack()
        self.reaper = Reaper(settings.home / "logs" / "reaper.log")
        self.database_url = settings.database_url or ""
        self.prefect: PrefectServer | None = None
        self.hub: Child | None = None
        self._postgres: EmbeddedPostgres | None = None

    async def __aenter__(self) -> Self:
        """Start the reaper and Postgres; Prefect begins to start and is not waited for.

        Raises:
            EmbeddedPostgresFailed, DatabaseUnavailable: nothing is left running.
        """
        self.settings.home.mkdir(parents=True, exist_ok=True)
        try:
            await self._stack.enter_async_context(self.reaper)
            if self.database_url:
                await first_contact(self.database_url)
            else:
                await self._start_postgres()
            await self._start_prefect()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def prefect_ui_url(self) -> str | None:
        return self.prefect.ui_url if self.prefect else None

    async def start_hub(self, name: str | None = None) -> Child:
        """Start the hub with the record and the Prefect of this machine."""
        dry_run = ["--dry-run"] if self._hub_settings.healing.dry_run else []
        named = ["--name", name] if name else []
        argv = [sys.executable, "-m", "hub.main", "hub", *named, *dry_run]
        self.hub = await self.start_child("hub", argv, self._hub_environment())
        return self.hub

    async def start_child(
        self,
        name: str,
        argv: list[str],
        env: Mapping[str, str] | None = None,
        *,
        restart: bool = True,
    ) -> Child:
        """Start a process that ends with this one, and is started again if it dies before."""
        child = Child(
            name,
            argv,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
            log_file=self.settings.home / "logs" / f"{name}.log",
            reaper=self.reaper,
            restart=restart,
        )
        await child.start()
        self._stack.push_async_callback(child.stop)
        return child

    def _hub_environment(self) -> dict[str, str]:
        return {
            "OPSLORE_HOME": str(self.settings.home),
            "OPSLORE_DATABASE_URL": self.database_url,
            "OPSLORE_PROJECTS": str(self.settings.projects_file),
            "OPSLORE_HUB": str(self.settings.hub_file),
            "PREFECT_API_URL": self.prefect.api_url if self.prefect else "",
        }

    async def _start_postgres(self) -> None:
        self._postgres = embedded_postgres(self.settings)
        self.reaper.stop_postgres(self._postgres.folder)
        self._stack.push_async_callback(asyncio.to_thread, self._postgres.stop)
        await _to_the_end(self._postgres.start)
        self.database_url = await asyncio.to_thread(self._postgres.url)
        watching = asyncio.create_task(self._keep_postgres(self._postgres), name="postgres")
        self._stack.push_async_callback(_end, watching)

    async def _keep_postgres(self, postgres: EmbeddedPostgres) -> None:
        while True:
            await asyncio.sleep(WATCH_POSTGRES_EVERY_S)
            if postgres.postmaster_pid is None:
                logger.warning("Postgres died and is started again")
                with suppress(EmbeddedPostgresFailed):
                    await asyncio.to_thread(postgres.start)

    async def _start_prefect(self) -> None:
        wanted = self._hub_settings.prefect
        if not wanted.enabled and not self.settings.prefect_api_url:
            return
        database = None
        if self._postgres is not None:
            await asyncio.to_thread(self._postgres.url, "prefect")
            database = "postgresql+asyncpg://postgres@/prefect?host=" + self._postgres.socket_folder
        self.prefect = PrefectServer(
            home=self.settings.home,
            host=wanted.host,
            port=wanted.port,
            database_url=database,
            api_url=self.settings.prefect_api_url,
            reaper=self.reaper,
        )
        await self._stack.enter_async_context(self.prefect)


async def _to_the_end(call: Callable[[], None]) -> None:
    """Make a blocking call in a thread; a cancellation waits until it can be undone."""
    calling = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        await asyncio.shield(calling)
    finally:
        await asyncio.wait({calling})


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
