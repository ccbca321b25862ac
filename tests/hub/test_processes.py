"""Children that are kept running, and the reaper that ends them when their supervisor dies."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from data.embedded import EmbeddedPostgres
from hub import processes
from hub.processes import Child
from hub.reaper import Reaper

SLEEP = "import time; time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True);" + SLEEP
)
WITH_GRANDCHILD = (
    "import subprocess, sys, time;"
    "inner = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
    "print(inner.pid, flush=True); time.sleep({seconds})"
)

StartChild = Callable[..., Awaitable[Child]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[StartChild]:
    """Start a child that runs a piece of Python; it is ended after the test."""
    children: list[Child] = []

    async def begin(code: str, **options: object) -> Child:
        argv = [sys.executable, "-I", "-c", code]
        child = Child("child", argv, log_file=tmp_path / "logs" / "child.log", **options)  # type: ignore[arg-type]
        children.append(child)
        await child.start()
        return child

    yield begin
    for child in children:
        await child.stop(0.1)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backoff that does not slow the tests down."""
    monkeypatch.setattr(processes, "BACKOFF_FIRST_S", 0.02)


async def until(is_so: Callable[[], bool], within_s: float = 10.0) -> None:
    async with asyncio.timeout(within_s):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def ignores(pid: int, number: signal.Signals) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    mask = next(line for line in status.splitlines() if line.startswith("SigIgn:"))
    return bool(int(mask.split()[1], 16) & 1 << (number - 1))


async def test_a_child_runs_in_a_session_of_its_own(start: StartChild) -> None:
    child = await start(SLEEP)
    assert child.pid is not None
    assert os.getsid(child.pid) == child.pid != os.getsid(0)


async def test_what_a_child_writes_is_in_its_log_file(start: StartChild) -> None:
    child = await start("import sys; print('to out', flush=True); print('to err', file=sys.stderr)")
    await until(lambda: child.over)
    assert child.log_file.read_text() == "to out\nto err\n"


async def test_a_big_log_file_is_set_aside_when_the_child_starts(
    start: StartChild, tmp_path: Path
) -> None:
    log = tmp_path / "logs" / "child.log"
    log.parent.mkdir()
    log.write_bytes(b"x" * (processes.ROTATE_AT_BYTES + 1))
    await start(SLEEP)
    assert log.stat().st_size == 0
    assert log.with_name("child.log.1").stat().st_size > processes.ROTATE_AT_BYTES


async def test_the_first_line_is_of_this_life_and_not_of_the_log_before(
    start: StartChild, tmp_path: Path
) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "child.log").write_text("an earlier life\n")
    child = await start(f"print('ready', flush=True); {SLEEP}")
    assert await child.first_line(5) == "ready"


async def test_the_first_line_of_a_child_that_died_silent_is_empty(start: StartChild) -> None:
    child = await start("pass")
    assert await child.first_line(5) == ""


async def test_a_child_that_dies_is_started_again(start: StartChild, quick: None) -> None:
    child = await start(SLEEP, restart=True)
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: child.restarts == 1 and child.pid is not None)
    assert child.pid != first


async def test_the_wait_before_a_restart_doubles(start: StartChild, quick: None) -> None:
    child = await start("pass", restart=True)
    began = asyncio.get_running_loop().time()
    await until(lambda: child.restarts == 4)
    assert asyncio.get_running_loop().time() - began > 0.02 + 0.04 + 0.08 + 0.16


async def test_a_long_life_resets_the_wait(
    start: StartChild, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "HEALTHY_AFTER_S", 0.0)
    child = await start("pass", restart=True)
    began = asyncio.get_running_loop().time()
    await until(lambda: child.restarts == 8)
    assert asyncio.get_running_loop().time() - began < 2.0  # doubling alone would wait 5 s


async def test_an_unasked_end_is_told_with_its_code(start: StartChild) -> None:
    codes: list[int] = []
    child = await start("raise SystemExit(3)", on_exit=codes.append)
    await until(lambda: child.over)
    assert codes == [3]


async def test_a_stop_is_no_unasked_end(start: StartChild) -> None:
    codes: list[int] = []
    child = await start(SLEEP, restart=True, on_exit=codes.append)
    await child.stop()
    assert codes == []
    assert child.pid is None
    assert child.restarts == 0


async def test_a_child_that_ignores_sigterm_is_killed_after_the_grace(start: StartChild) -> None:
    child = await start(STUBBORN)
    await child.first_line(5)
    pid = child.pid
    assert pid is not None
    await child.stop(0.2)
    assert not lives(pid)


async def test_stopping_ends_what_the_child_had_started(start: StartChild) -> None:
    child = await start(WITH_GRANDCHILD.format(seconds=600))
    inner = int(await child.first_line(5))
    await child.stop()
    await until(lambda: not lives(inner))


async def test_what_a_dead_child_left_behind_is_killed(start: StartChild) -> None:
    child = await start(WITH_GRANDCHILD.format(seconds=0.2))
    inner = int(await child.first_line(5))
    await until(lambda: child.over)
    await until(lambda: not lives(inner))


async def test_a_program_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await Child("gone", ["/nowhere/at/all"], log_file=tmp_path / "gone.log").start()


SUPERVISOR = """
import asyncio, os, signal, sys
from pathlib import Path
from hub.processes import Child
from hub.reaper import Reaper

async def main(folder, postgres, end):
    async with Reaper(folder / "reaper.log") as reaper:
        reaper.remove(folder / "scratch")
        if postgres:
            reaper.stop_postgres(Path(postgres))
        argv = [sys.executable, "-I", "-c", {code!r}]
        child = Child("child", argv, log_file=folder / "child.log", reaper=reaper)
        await child.start()
        await child.first_line(5)
        print(child.pid, reaper.pid, flush=True)
        if end == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        await child.stop()

asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
"""


def supervise(folder: Path, *, end: str, code: str, postgres: Path | None = None) -> list[int]:
    """Run a supervisor that ends as told; return the pids of its child and of its reaper."""
    (folder / "scratch").mkdir()
    program = subprocess.run(
        [sys.executable, "-c", SUPERVISOR.format(code=code), str(folder), str(postgres or ""), end],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
        timeout=30,
    )
    return [int(pid) for pid in program.stdout.split()]


async def test_a_supervisor_that_is_killed_leaves_nothing_behind(tmp_path: Path) -> None:
    child, reaper = supervise(tmp_path, end="kill", code=f"print(flush=True); {SLEEP}")
    await until(lambda: not lives(child) and not lives(reaper))
    assert not (tmp_path / "scratch").exists()
    assert "SIGTERM to the process group" in (tmp_path / "reaper.log").read_text()


@pytest.mark.slow
async def test_the_reaper_kills_what_ignores_its_sigterm(tmp_path: Path) -> None:
    child, reaper = supervise(tmp_path, end="kill", code=STUBBORN)
    await until(lambda: not lives(child) and not lives(reaper), within_s=15)


async def test_the_reaper_leaves_all_alone_after_an_orderly_end(tmp_path: Path) -> None:
    _, reaper = supervise(tmp_path, end="orderly", code=f"print(flush=True); {SLEEP}")
    assert not lives(reaper)
    assert (tmp_path / "scratch").exists()
    assert (tmp_path / "reaper.log").read_text() == ""


async def test_the_reaper_stops_the_postgres_of_a_dead_supervisor(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path / "postgres")
    await asyncio.to_thread(postgres.start)
    pid = postgres.postmaster_pid
    assert pid is not None
    postgres._lock.close()  # type: ignore[union-attr]  # as the kernel does for a dead process
    _, reaper = supervise(
        tmp_path, end="kill", code=f"print(flush=True); {SLEEP}", postgres=postgres.folder
    )
    await until(lambda: not lives(reaper))
    assert not lives(pid)


async def test_the_reaper_leaves_a_postgres_that_another_process_uses(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path / "postgres")
    await asyncio.to_thread(postgres.start)
    pid = postgres.postmaster_pid
    assert pid is not None
    _, reaper = supervise(
        tmp_path, end="kill", code=f"print(flush=True); {SLEEP}", postgres=postgres.folder
    )
    await until(lambda: not lives(reaper))
    assert lives(pid)
    await asyncio.to_thread(postgres.stop)


async def test_the_reaper_ignores_the_signals_of_a_terminal(tmp_path: Path) -> None:
    async with Reaper() as reaper:
        pid = reaper.pid
        assert pid is not None
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        await until(lambda: all(ignores(pid, number) for number in numbers))
        for number in numbers:
            os.kill(pid, number)
        await asyncio.sleep(0.1)
        assert lives(pid)


async def test_a_dead_reaper_is_replaced_and_knows_everything(
    start: StartChild, tmp_path: Path
) -> None:
    reaper = Reaper(tmp_path / "reaper.log")
    reaper.start()
    child = await start(SLEEP, reaper=reaper)
    first = reaper.pid
    assert first is not None
    assert child.pid is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: not lives(first))
    reaper.remove(tmp_path / "scratch")  # the word at which its death is noticed
    assert reaper.pid != first
    replacement, reaper._process = reaper._process, None
    assert replacement is not None
    replacement.communicate()  # closes the pipe without a "bye"
    await until(lambda: child.over)


async def test_a_number_given_to_another_process_since_is_not_touched(tmp_path: Path) -> None:
    stranger = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-c", SLEEP, start_new_session=True
    )
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import reaper_process as r;"
        "r._end_groups({int(sys.argv[2]): 'another start time'})"
    )
    folder = Path(processes.__file__).parent
    argv = [sys.executable, "-I", "-c", program, str(folder), str(stranger.pid)]
    await asyncio.to_thread(subprocess.run, argv, check=True)
    assert stranger.returncode is None
    with suppress(ProcessLookupError):
        stranger.kill()
    await stranger.wait()
