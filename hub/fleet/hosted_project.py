"""One project as its platform sees it: a port, a process, and the releases it had."""

import asyncio
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from hub.fleet.call_ledger import now_text
from hub.fleet.loopback_client import NoAnswer, request
from hub.fleet.members import FaultKind, Member
from hub.fleet.ports import LOOPBACK, bound_socket

ROOT = Path(__file__).parents[2]
FIRST_CONFIG_REVISION = 7
START_WITHIN_S = 20.0
LEAVE_WITHIN_S = 1.6
STOP_WITHIN_S = 0.8


class Refused(Exception):
    """The platform cannot do this to the project now; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A version with its configuration; `fault` is what is wrong with it, also after restarts."""

    version: str
    config_revision: int
    deployed_at: datetime
    fault: FaultKind | None = None


class HostedProject:
    """Keeps one project on its port. One change at a time: callers hold `lock`.

    A restart is a replacement: the new process listens before the old one leaves, so nobody
    finds the port closed. Only a crash closes it.
    """

    def __init__(self, member: Member, *, seed: int, auto_restart_s: float | None) -> None:
        self.name = member.name
        self.lock = asyncio.Lock()
        self.instances = 1
        self.paused = False
        self.peers: Mapping[str, str] = {}
        self._member = member
        self._seed = seed
        self._auto_restart_s = auto_restart_s
        self._reservation: socket.socket = bound_socket(0, shared=True)
        self._port: int = self._reservation.getsockname()[1]
        if sys.platform != "linux":  # elsewhere a bound socket would catch connections
            self._reservation.close()
        now = datetime.now(UTC)
        self._releases = [
            Release(version=version, config_revision=FIRST_CONFIG_REVISION, deployed_at=now)
            for version in member.versions
        ]
        self._process: Process | None = None
        self._watching: set[asyncio.Task[None]] = set()
        self._history: list[dict[str, str]] = []
        self._note("deployed")

    @property
    def url(self) -> str:
        """Where the project answers, the same for its whole life."""
        return f"http://{LOOPBACK}:{self._port}"

    @property
    def release(self) -> Release:
        """What is deployed now."""
        return self._releases[-1]

    @property
    def state(self) -> Literal["running", "crashed", "paused"]:
        """What the platform believes the project to be."""
        if self._process is None or self._process.returncode is not None:
            return "crashed"
        return "paused" if self.paused else "running"

    async def describe(self) -> dict[str, Any]:
        """Return all there is to say.

        `faults` are those that are active in the process, None when it does not answer.
        """
        faults: list[str] | None = []
        if self.state != "crashed":
            try:
                _, control = await request("GET", f"{self.url}/control")
                faults = control["faults"]
            except NoAnswer:
                faults = None
        return {
            "name": self.name,
            "url": self.url,
            "pid": self._process.pid if self._process and self.state != "crashed" else None,
            "state": self.state,
            "version": self.release.version,
            "deployed_at": self.release.deployed_at.isoformat(),
            "config_revision": self.release.config_revision,
            "instances": self.instances,
            "faults": faults,
            "history": self._history,
        }

    async def restart(self) -> None:
        """Start a new process of the present release, then stop the old one if there is one."""
        old = self._process
        self._process = await self._spawn()
        self.paused = False
        self._note("started")
        self._watch(self._process)
        if old is not None:
            await _end(old, LEAVE_WITHIN_S)

    async def deploy(self, version: str, *, bad: bool) -> None:
        """Run another version; a bad one fails a good part of its requests."""
        kept = self.release.fault if self.release.fault == "tangled" else None
        fault: FaultKind | None = "errors" if bad else kept
        now = datetime.now(UTC)
        self._releases.append(replace(self.release, version=version, deployed_at=now, fault=fault))
        self._note("deployed")
        await self.restart()

    async def rollback(self) -> None:
        """Deploy the release before this one, with its configuration.

        Raises:
            Refused: this is the first release.
        """
        if len(self._releases) == 1:
            raise Refused("there is no release to roll back to")
        self._releases.pop()
        self._releases[-1] = replace(self.release, deployed_at=datetime.now(UTC))
        self._note("rolled back")
        await self.restart()

    async def revert_config(self) -> None:
        """Return to the configuration before the last reload.

        Raises:
            Refused: the configuration was not reloaded.
        """
        if self.release.fault != "tangled":
            raise Refused("there is no configuration to revert to")
        revision = self.release.config_revision - 1
        self._releases[-1] = replace(self.release, config_revision=revision, fault=None)
        self._note("configuration reverted")
        if self.state != "crashed":
            await self._command("clear", {"kind": "tangled"})

    async def fault(self, kind: FaultKind, seconds: float | None) -> None:
        """Make something go wrong."""
        if kind == "tangled" and self.release.fault != "tangled":
            reloaded = self.release.config_revision + 1
            self._releases[-1] = replace(self.release, config_revision=reloaded, fault=kind)
            self._note("configuration reloaded")
        wanted = {"kind": kind} if seconds is None else {"kind": kind, "seconds": seconds}
        if kind == "crash" and self._process is not None:
            with suppress(NoAnswer):
                await request("POST", f"{self.url}/control/fault", wanted)
            await self._process.wait()
        else:
            await self._command("fault", wanted)

    async def clear(self) -> None:
        """End whatever is wrong: a crash, a bad release, a bad configuration, any fault."""
        if self.release.fault == "tangled":
            await self.revert_config()
        if self.release.fault is not None:
            await self.rollback()
        elif self.state == "crashed":
            await self.restart()
        else:
            await self._command("clear")

    async def pause(self) -> None:
        """Let the project take no more work."""
        await self._command("pause")
        self.paused = True

    async def resume(self) -> None:
        """Let the project take work again."""
        await self._command("resume")
        self.paused = False

    async def clear_cache(self) -> None:
        """Let the project give memory back."""
        await self._command("clear_cache")

    async def scale(self, instances: int) -> None:
        """Note how many instances there should be; there is one whatever the number."""
        self.instances = instances

    async def stop(self) -> None:
        """Stop the process for good."""
        process, self._process = self._process, None
        for watching in self._watching:
            watching.cancel()
        if process is not None:
            await _end(process, STOP_WITHIN_S)

    async def _command(self, name: str, body: Mapping[str, object] | None = None) -> None:
        try:
            status, reply = await request("POST", f"{self.url}/control/{name}", body)
        except NoAnswer as error:
            raise Refused(f"the project does not answer ({error})") from error
        if status != 200:
            raise Refused(str(reply.get("error")))

    async def _spawn(self) -> Process:
        release = self.release
        arguments = [
            f"--port={self._port}",
            f"--seed={self._seed}",
            f"--version={release.version}",
            f"--deployed-at={release.deployed_at.isoformat()}",
            f"--config-revision={release.config_revision}",
            *([f"--fault={release.fault}"] if release.fault else []),
            *(f"--peer={name}={url}" for name, url in self.peers.items()),
        ]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            self._member.module,
            *arguments,
            stdin=PIPE,
            stdout=PIPE,
            cwd=ROOT,
            process_group=0,  # Ctrl-C in a terminal is for the platform alone
        )
        try:
            async with asyncio.timeout(START_WITHIN_S):
                said = await process.stdout.readline() if process.stdout else b""
        except (TimeoutError, asyncio.CancelledError):
            process.kill()
            raise
        if said != b"ready\n":
            await _end(process, STOP_WITHIN_S)
            raise Refused(f"{self.name} {release.version} did not start")
        return process

    def _watch(self, process: Process) -> None:
        watching = asyncio.create_task(self._notice_death(process))
        self._watching.add(watching)
        watching.add_done_callback(self._watching.discard)

    async def _notice_death(self, process: Process) -> None:
        await process.wait()
        if process is not self._process:
            return
        self._note("crashed")
        if self._auto_restart_s is not None:
            await asyncio.sleep(self._auto_restart_s)
            async with self.lock:
                if self.state == "crashed":
                    await self.restart()

    def _note(self, event: str) -> None:
        release = self.release
        self._history.append({"at": now_text(), "event": event, "version": release.version})


async def _end(process: Process, patience_s: float) -> None:
    """Ask the process to leave, and kill it when it has not left within `patience_s`."""
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(patience_s):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
