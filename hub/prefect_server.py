"""Prefect's server: started as a child of the supervisor, or one that runs already."""

import asyncio
import os
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import httpx

from config.errors import OpsloreError
from hub.processes import Child, Watcher

OUR_TAG = "opslore"

_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}
_ENTRY = ["-P", str(Path(__file__).with_name("prefect_entry.py"))]
_PORTS_TRIED = 20
_STARTS_TRIED = 3
_GRACE_S = 2.0

# Loops that look for late, paused and abandoned runs, for workers that went silent and for
# new schedules. At Prefect's own 5 s they are a third of what an idle server costs.
_CALM = {
    "PREFECT_SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS": "30",
    "PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_LOOP_SECONDS": "30",
    "PREFECT_SERVER_SERVICES_CLEANUP_RECONCILER_LOOP_SECONDS": "30",
    "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_LOOP_SECONDS": "60",
    "PREFECT_SERVER_SERVICES_FOREMAN_LOOP_SECONDS": "30",
    "PREFECT_SERVER_SERVICES_REPOSSESSOR_LOOP_SECONDS": "30",
    "PREFECT_SERVER_SERVICES_SCHEDULER_RECENT_DEPLOYMENTS_LOOP_SECONDS": "15",
    "PREFECT_SERVER_EVENTS_PROACTIVE_GRANULARITY": "PT30S",
    "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": "P1D",
    "PREFECT_SERVER_API_KEEPALIVE_TIMEOUT": "30",
    "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
}


class PrefectServerFailed(OpsloreError):
    """Prefect's server did not start."""


class PrefectServer:
    """Prefect's API and UI at one address, reachable seconds after it was started.

    With `api_url` that server is used and left alone. Otherwise one is started, on `port` or,
    when that is taken, on the next free one, and is kept running. Its database is
    `database_url` (SQLAlchemy's, with asyncpg) or a SQLite file under `home`.
    Settings named PREFECT_… in the environment are respected, except those of the address,
    the database and the home folder.
    """

    def __init__(
        self,
        *,
        home: Path,
        host: str = "127.0.0.1",
        port: int = 4200,
        database_url: str | None = None,
        api_url: str | None = None,
        reaper: Watcher | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.external = bool(api_url)
        self.api_url = (api_url or "").rstrip("/")
        self._home = home
        self._host = host
        self._port = port
        self._database_url = database_url
        self._reaper = reaper
        self._environ = dict(os.environ if environ is None else environ)
        self.child: Child | None = None

    @property
    def ui_url(self) -> str:
        return ui_url(self.api_url)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start the server without waiting until it answers; from here on `api_url` is known."""
        if self.external or self.child is not None:
            return
        port = free_port(self._host, self._port)
        self.api_url = api_url(self._host, port)
        (self._home / "prefect").mkdir(parents=True, exist_ok=True)
        self.child = Child(
            "prefect",
            [sys.executable, *_ENTRY, "server", "start", "--host", self._host, "--port", str(port)],
            env=self._environment(),
            log_file=self._home / "logs" / "prefect.log",
            reaper=self._reaper,
            restart=True,
        )
        await self.child.start()

    async def stop(self) -> None:
        """End the server that was started here; it has nothing that is not in its database."""
        child, self.child = self.child, None
        if child is not None:
            await child.stop(_GRACE_S)

    async def ready(self, timeout_s: float = 90.0) -> None:
        """Wait until the API answers.

        Raises:
            PrefectServerFailed: not in time, or it died three times; with the end of its log.
        """
        deadline = time.monotonic() + timeout_s
        async with httpx.AsyncClient(timeout=2.0) as client:
            while not await _answers(client, self.api_url):
                if self.child is not None and self.child.restarts >= _STARTS_TRIED:
                    raise self._failed("dies when it is started")
                if time.monotonic() > deadline:
                    raise self._failed(f"did not answer within {timeout_s:g} s")
                await asyncio.sleep(0.1)

    async def count_flow_runs(self) -> int:
        """Return how many flow runs of ours there are; 0 when the API does not answer."""
        wanted = {"flow_runs": {"tags": {"all_": [OUR_TAG]}}}
        try:
            async with httpx.AsyncClient(timeout=5.0) as client:
                answer = await client.post(f"{self.api_url}/flow_runs/count", json=wanted)
                return int(answer.raise_for_status().json())
        except (httpx.HTTPError, ValueError, TypeError):
            return 0

    def _failed(self, how: str) -> PrefectServerFailed:
        what = f"Prefect's server at {self.api_url} {how}"
        if self.child is None:
            return PrefectServerFailed(what)
        return PrefectServerFailed(f"{what}; see {self.child.log_file}\n{self.child.last_lines()}")

    def _environment(self) -> dict[str, str]:
        home = self._home / "prefect"
        environ = {**_CALM, **self._environ}
        for elsewhere in ("PREFECT_PROFILE", "PREFECT_API_KEY", "PREFECT_LOGGING_CONFIG_PATH"):
            environ.pop(elsewhere, None)
        return environ | {
            "PREFECT_HOME": str(home),
            "PREFECT_API_URL": self.api_url,
            "PREFECT_API_DATABASE_CONNECTION_URL": self._database_url
            or f"sqlite+aiosqlite:///{home / 'prefect.db'}",
            "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "PREFECT_UI_API_URL": urlsplit(self.api_url).path,
            "PREFECT_UI_STATIC_DIRECTORY": str(home / "ui"),
        }


def api_url(host: str, port: int) -> str:
    """Return the address of the API of a server that listens on `host` and `port`."""
    host = _ANY_ADDRESS.get(host, host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/api"


def ui_url(api: str) -> str:
    """Return the address of the pages that belong to an API."""
    return api.rstrip("/").removesuffix("/api")


def free_port(host: str, wanted: int) -> int:
    """Return `wanted`, else the first free one of the 20 after it, else any free one."""
    candidates = [*range(wanted, min(wanted + _PORTS_TRIED, 65_535) + 1), 0] if wanted else [0]
    for port in candidates:
        if found := _bindable(host, port):
            return found
    return wanted


def _bindable(host: str, port: int) -> int | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError:
            return None
        return int(listener.getsockname()[1])


async def _answers(client: httpx.AsyncClient, api: str) -> bool:
    try:
        return (await client.get(f"{api}/health")).is_success
    except httpx.HTTPError:
        return False
