"""The hub answers the same four paths it asks of others: /health, /metrics, /status, /logs.

Below /approvals/ it serves what approval links lead to.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from config.hub_file import ListenSettings
from data.system_health import Vitals
from flows.upkeep.vitals import VitalsRecorder
from hub.standard_api import ASGIApp, StandardAPI
from hub.version import VERSION

logger = logging.getLogger(__name__)

GAUGES = ("projects", "probes_per_s", "cycle_lag_ms", "queue_depth", "database_ms", "prefect_ms")


class SelfReport:
    """A small HTTP server inside the hub; a port that is taken costs the report, not the hub."""

    def __init__(
        self,
        listen: ListenSettings,
        name: str,
        vitals: VitalsRecorder,
        approvals: ASGIApp | None = None,
    ) -> None:
        self._listen = listen
        self._vitals = vitals
        self._task: asyncio.Task[None] | None = None
        self._api = StandardAPI(
            approvals,
            name=name,
            version=VERSION,
            checks={"hub": self._check},
            gauges={f"opslore_{gauge}": self._reader(gauge) for gauge in GAUGES},
        )
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._api, log_config=None, access_log=False, lifespan="off", loop="none"
            )
        )

    async def __aenter__(self) -> "SelfReport":
        try:
            listening = socket.create_server((self._listen.host, self._listen.port))
        except OSError as error:
            logger.warning(
                "the hub does not report on %s:%d: %s", self._listen.host, self._listen.port, error
            )
            return self
        logger.info("the hub reports on http://%s:%d/health", *listening.getsockname()[:2])
        self._task = asyncio.create_task(self._serve(listening), name="self report")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._api.close()
        if self._task is not None:
            self._server.should_exit = True
            with suppress(TimeoutError):
                await asyncio.wait_for(self._task, 2)

    async def _serve(self, listening: socket.socket) -> None:
        """Serve without uvicorn's own signal handlers: the hub has its own."""
        config = self._server.config
        config.load()
        self._server.lifespan = config.lifespan_class(config)
        await self._server.startup(sockets=[listening])
        await self._server.main_loop()
        await self._server.shutdown(sockets=[listening])

    def _check(self) -> tuple[str, str]:
        latest = self._vitals.latest
        if latest is None:
            return "healthy", "starting"
        return latest.status, latest.detail or "all agents work"

    def _reader(self, gauge: str) -> Callable[[], float | None]:
        def read() -> float | None:
            latest: Vitals | None = self._vitals.latest
            value = getattr(latest, gauge) if latest is not None else None
            return None if value is None else float(value)

        return read
