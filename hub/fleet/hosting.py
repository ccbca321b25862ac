"""The platform that hosts the demo fleet: `python -m hub.fleet.hosting [--port N]`.

It starts the three projects as child processes and, over HTTP on loopback, does to them what a
hosting platform does. When all are up it writes one JSON line to standard output:
`{"platform": url, "projects": {name: url}}`. SIGTERM and Ctrl-C stop it and its children
within two seconds; whatever it dies of, its children die, too.
"""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hub.fleet.hosted_project import HostedProject, Refused
from hub.fleet.members import MEMBERS
from hub.fleet.orphans import exit_at_end_of_input
from hub.fleet.platform_api import Platform
from hub.fleet.ports import LOOPBACK, bound_socket
from hub.standard_api import ASGIApp, StandardAPI

if TYPE_CHECKING:
    from hub.fleet.serving import FleetServer


@dataclass(frozen=True, slots=True, kw_only=True)
class HostingOptions:
    """How the platform was started."""

    port: int = 0
    seed: int = 1
    auto_restart_s: float | None = None


async def host(options: HostingOptions) -> None:
    """Run the platform and its projects until SIGTERM or SIGINT.

    Raises:
        OSError: the port is taken.
        ExceptionGroup: of Refused; projects did not start.
    """
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    projects = [
        HostedProject(member, seed=options.seed + place, auto_restart_s=options.auto_restart_s)
        for place, member in enumerate(MEMBERS)
    ]
    urls = {project.name: project.url for project in projects}
    for project, member in zip(projects, MEMBERS, strict=True):
        project.peers = {peer: urls[peer] for peer in member.depends_on}
    listener = bound_socket(options.port, shared=False)
    url = f"http://{LOOPBACK}:{listener.getsockname()[1]}"

    async def announce() -> None:
        sys.stdout.write(json.dumps({"platform": url, "projects": urls}) + "\n")
        sys.stdout.flush()

    app = StandardAPI(Platform(projects), name="hosting", logger=None)
    starting = asyncio.create_task(_start(projects, app, announce))
    try:
        await _either(starting, stopped)
        if not stopped.is_set():
            server = starting.result()
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            await _either(serving, stopped)
            server.stop()
            await asyncio.gather(serving, *(project.stop() for project in projects))
    finally:
        starting.cancel()
        await asyncio.gather(
            starting, *(project.stop() for project in projects), return_exceptions=True
        )


async def _start(
    projects: Sequence[HostedProject], app: ASGIApp, announce: Callable[[], Awaitable[None]]
) -> "FleetServer":
    """Start the projects and return the platform's server, which is loaded meanwhile."""
    async with asyncio.TaskGroup() as group:
        for project in projects:
            group.create_task(project.restart())
        loading = group.create_task(asyncio.to_thread(_load_server))
    return loading.result()(app, announce)


def _load_server() -> "type[FleetServer]":
    from hub.fleet.serving import FleetServer  # noqa: PLC0415 (uvicorn takes 0.3 s to import)

    return FleetServer


async def _either(work: asyncio.Task[Any], stopped: asyncio.Event) -> None:
    """Wait until the work is done or the stop has come."""
    stopping = asyncio.create_task(stopped.wait())
    await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()


def main() -> None:
    """Read the command line and host the fleet."""
    parser = argparse.ArgumentParser(description="Host the demo fleet.")
    parser.add_argument("--port", type=int, default=0, help="the platform's port; 0: any free one")
    parser.add_argument("--seed", type=int, default=1, help="makes the pretended work repeatable")
    parser.add_argument(
        "--auto-restart", type=float, metavar="SECONDS", help="restart a crashed project after this"
    )
    parser.add_argument(
        "--until-stdin-closes", action="store_true", help="end when standard input ends"
    )
    given = parser.parse_args()
    if given.until_stdin_closes:
        exit_at_end_of_input()
    options = HostingOptions(port=given.port, seed=given.seed, auto_restart_s=given.auto_restart)
    reasons: list[str] = []
    try:
        asyncio.run(host(options))
    except* (OSError, Refused) as group:
        reasons = [str(error) for error in group.exceptions]
    if reasons:
        sys.exit(f"the fleet does not start: {'; '.join(reasons)}")


if __name__ == "__main__":
    main()
