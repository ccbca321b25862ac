"""Serve an ASGI application of the fleet on loopback, lightly."""

import argparse
import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

import uvicorn

from hub.fleet.control import Front
from hub.fleet.members import KINDS
from hub.fleet.orphans import die_with_parent
from hub.fleet.ports import bound_socket
from hub.fleet.project import DemoProject, Options
from hub.standard_api import ASGIApp

GRACE_S = 1


class FleetServer(uvicorn.Server):
    """Uvicorn that says when it listens and leaves signals to whoever runs it."""

    def __init__(self, app: ASGIApp, listening: Callable[[], Awaitable[None]]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                loop="asyncio",
                http="httptools",
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                log_level="warning",
                timeout_keep_alive=75,
                timeout_graceful_shutdown=GRACE_S,
            )
        )
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then tell."""
        await super().startup(sockets)
        await self._listening()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Install no handlers: uvicorn's would kill the process before it has cleaned up."""
        yield

    def stop(self) -> None:
        """Stop at the next tick, within 0.1 s."""
        self.should_exit = True


def serve_project(kind: type[DemoProject]) -> None:
    """Be one project of the fleet, as the command line says, until told to stop.

    Writes one line, "ready", to standard output when it listens.
    """
    die_with_parent()
    options = _options(sys.argv[1:])
    logging.getLogger().setLevel(logging.INFO)
    asyncio.run(_serve(kind(options), options.port))


async def _serve(project: DemoProject, port: int) -> None:
    async def ready() -> None:
        sys.stdout.write("ready\n")
        sys.stdout.flush()

    server = FleetServer(Front(project), ready)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, server.stop)
    working = asyncio.create_task(project.run())
    await server.serve(sockets=[bound_socket(port, shared=True)])
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working


def _options(arguments: list[str]) -> Options:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--version", default="0.1.0")
    parser.add_argument("--deployed-at", type=datetime.fromisoformat, default=None)
    parser.add_argument("--config-revision", type=int, default=7)
    parser.add_argument("--fault", choices=KINDS, default=None)
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=URL")
    given = parser.parse_args(arguments)
    return Options(
        port=given.port,
        seed=given.seed,
        version=given.version,
        deployed_at=given.deployed_at or datetime.now(UTC),
        config_revision=given.config_revision,
        fault=given.fault,
        peers=dict(peer.split("=", 1) for peer in given.peer),
    )
