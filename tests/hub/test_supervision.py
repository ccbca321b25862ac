"""`opslore up` as a process: it leaves nothing behind, and survives kills."""

import asyncio
import os
import re
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from data import events, projects, system_health
from data.database import Database, DatabaseError
from hub.prefect_server import PrefectServer
from tests.hub.remains import Remains
from tests.programs import Program, eventually
from tests.services import Service, projects_yaml

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

QUICK = {
    "intervals": {"health": "1s", "metrics": "1s", "details": "5s"},
    "timeouts": {"health": "1s", "metrics": "1s"},
}
HUB_FILE = "listen: {{port: 0}}\npolling: {{cycle: 2s}}\nprefect: {{enabled: {}, port: {}}}\n"
LONGEST_GAP = timedelta(seconds=4)


class Machine:
    """A folder with two real services to watch, and the programs that run in it."""

    def __init__(self, folder: Path, *, prefect: bool) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.services = [Service(name="a"), Service(name="b")]
        self._prefect = prefect
        self._programs: list[Program] = []

    async def __aenter__(self) -> "Machine":
        for service in self.services:
            await service.start()
        (self.folder / "projects.yaml").write_text(projects_yaml(self.services, **QUICK))
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        hub_file = HUB_FILE.format(str(self._prefect).lower(), port)
        (self.folder / "hub.yaml").write_text(hub_file)
        return self

    async def __aexit__(self, *_: object) -> None:
        for program in self._programs:
            with suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)
            await program.kill()
        for service in self.services:
            await service.crash()

    async def start(self, *arguments: str) -> Program:
        program = Program(
            arguments=arguments,
            environment={
                "OPSLORE_HOME": str(self.home),
                "OPSLORE_DATABASE_URL": "",
                "OPSLORE_PROJECTS": str(self.folder / "projects.yaml"),
                "OPSLORE_HUB": str(self.folder / "hub.yaml"),
                "PREFECT_API_URL": "",
            },
            log=self.folder / f"{arguments[0]}.{len(self._programs)}.log",
        )
        self._programs.append(program)
        return await program.start()

    async def watched(self) -> None:
        """Wait until every service was asked, counted from now."""
        before = [service.probes for service in self.services]

        async def asked() -> bool:
            now = [service.probes for service in self.services]
            return all(new > old for new, old in zip(now, before, strict=True))

        await eventually(asked, within_s=40)

    def database(self) -> Database:
        """Return the embedded record, without a hold on it."""
        lines = (self.home / "postgres" / "postmaster.pid").read_text().splitlines()
        return Database(f"postgresql://postgres@/opslore?host={lines[4]}", max_size=2)

    def postmaster(self) -> psutil.Process:
        return psutil.Process(int((self.home / "postgres/postmaster.pid").read_text().split()[0]))

    def child(self, program: Program, *words: str) -> psutil.Process | None:
        """Return the child of a program whose command line has these words in a row."""
        for process in psutil.Process(program.pid).children(recursive=True):
            with suppress(psutil.Error):
                if " ".join(words) in " ".join(process.cmdline()):
                    return process
        return None


@pytest_asyncio.fixture(loop_scope="module")
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    """A machine without Prefect, of one test's own."""
    async with Machine(tmp_path, prefect=False) as made:
        yield made


async def interrupt(program: Program) -> int | None:
    """Press Ctrl-C: the terminal sends it to the whole foreground group."""
    assert program.process is not None
    os.killpg(program.pid, signal.SIGINT)
    return await asyncio.wait_for(program.process.wait(), 20)


async def kill(program: Program) -> int | None:
    await program.kill()
    return None


async def probed_at(machine: Machine) -> dict[str, list[datetime]]:
    """Return when each service was probed, as recorded."""
    async with machine.database() as database:
        rows = await database.fetch_all(
            "SELECT project, recorded_at FROM project_status_history ORDER BY recorded_at"
        )
    return {
        name: [row["recorded_at"] for row in rows if row["project"] == name] for name in ("a", "b")
    }


async def recorded_after(machine: Machine, instant: datetime) -> bool:
    with suppress(DatabaseError, OSError, IndexError):
        return all(times[-1] > instant for times in (await probed_at(machine)).values())
    return False


def longest_gap(times: list[datetime], since: datetime) -> timedelta:
    return max(later - earlier for earlier, later in pairwise(at for at in times if at >= since))


End = Callable[[Program], Awaitable[int | None]]


@pytest.mark.parametrize(("end", "code"), [(interrupt, 0), (kill, None)])
async def test_up_leaves_nothing_behind(machine: Machine, end: End, code: int | None) -> None:
    up = await machine.start("up")
    await machine.watched()
    remains = Remains(machine.home, up.pid).note()
    assert remains.processes > 5  # itself, the reaper, the hub, Postgres and its backends
    assert (remains.ports, remains.sockets) > (0, 0)
    assert await end(up) == code
    await remains.vanish()
    assert "Traceback" not in up.log.read_text()


@pytest.mark.parametrize("after_s", [0.5, 1.0, 2.0])
async def test_ctrl_c_while_up_starts_leaves_nothing_behind(tmp_path: Path, after_s: float) -> None:
    async with Machine(tmp_path, prefect=True) as machine:
        up = await machine.start("up")
        remains = Remains(machine.home, up.pid)
        for _ in range(10):
            await asyncio.sleep(after_s / 10)
            remains.note()
        code = await interrupt(up)
        await remains.vanish()
        assert code in {0, 130, -signal.SIGINT}
        said = up.log.read_text()
        assert "Traceback" not in said
        assert "did not start" not in said


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[tuple[Machine, Program]]:
    """A machine and the `up` on it, which the tests below share; Prefect loads meanwhile."""
    async with Machine(tmp_path_factory.mktemp("shared"), prefect=True) as machine:
        up = await machine.start("up")
        await machine.watched()
        remains = Remains(machine.home, up.pid).note()
        yield machine, up
        remains.note()
        assert await up.stop() == 0
        await remains.vanish()


async def test_a_second_up_in_the_same_folder_says_that_one_runs(
    shared: tuple[Machine, Program],
) -> None:
    machine, up = shared
    second = await machine.start("up")
    assert second.process is not None
    assert await asyncio.wait_for(second.process.wait(), 20) == 1
    (line,) = second.log.read_text().splitlines()
    assert f"`opslore up` runs already in {machine.home} (process {up.pid})" in line
    await machine.watched()


async def test_a_killed_postgres_is_back_with_all_that_was_recorded_and_measured_since(
    shared: tuple[Machine, Program],
) -> None:
    machine, up = shared
    hub = machine.child(up, "hub.main", "hub")
    began_at = datetime.now(UTC)
    await asyncio.sleep(2)
    before = await probed_at(machine)
    await asyncio.sleep(1)
    killed = machine.postmaster()
    killed.kill()
    killed_at = datetime.now(UTC)
    await eventually(lambda: recorded_after(machine, killed_at + timedelta(seconds=4)), within_s=30)
    after = await probed_at(machine)
    assert machine.postmaster().pid != killed.pid
    for name, times in after.items():
        assert set(before[name]) <= set(times)
        assert longest_gap(times, began_at) < LONGEST_GAP
    assert machine.child(up, "hub.main", "hub") == hub


async def test_a_killed_hub_is_started_again_and_goes_on(shared: tuple[Machine, Program]) -> None:
    machine, up = shared
    killed = machine.child(up, "hub.main", "hub")
    assert killed is not None
    killed.kill()
    killed_at = datetime.now(UTC)
    await eventually(lambda: recorded_after(machine, killed_at), within_s=30)
    hub = machine.child(up, "hub.main", "hub")
    assert hub is not None
    assert hub != killed
    async with machine.database() as database:
        held = {project.leased_by for project in await projects.list_all(database)}
    assert held == {socket.gethostname()}


@pytest.mark.timeout(300)
async def test_a_killed_prefect_is_told_of_and_its_runs_come_back(
    shared: tuple[Machine, Program],
) -> None:
    """It is killed again until the hub, which looks every 10 s, has seen it away."""
    machine, up = shared
    address = re.search(r"Prefect UI +(\S+)", up.log.read_text())
    assert address is not None
    prefect = PrefectServer(home=machine.home, api_url=f"{address[1]}/api")

    async def reachable() -> bool:
        async with machine.database() as database:
            return any(row.prefect_reachable for row in await system_health.latest(database))

    await eventually(reachable, within_s=60, every_s=0.5)
    began_at = datetime.now(UTC)

    async def told() -> bool:
        server = machine.child(up, "server start")
        if server is not None:
            server.kill()
        async with machine.database() as database:
            (vitals,) = await system_health.latest(database)
        return vitals.recorded_at > began_at and not vitals.prefect_reachable

    await eventually(told, within_s=30, every_s=0.5)
    async with machine.database() as database:
        (vitals,) = await system_health.latest(database)
        assert vitals.status == "degraded"
        assert "Prefect does not answer" in str(vitals.detail)
        assert await events.latest(database, kind="PrefectUnreachable")
    for times in (await probed_at(machine)).values():
        assert longest_gap(times, began_at) < LONGEST_GAP
    before = await eventually(prefect.count_flow_runs, within_s=180, every_s=0.5)

    async def more() -> bool:
        return await prefect.count_flow_runs() > before

    await eventually(more, within_s=60, every_s=0.5)
