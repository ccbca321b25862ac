"""Ends what a dead supervisor left behind; needs the standard library only.

The supervisor starts this file as a process of its own (see hub/reaper.py) and holds the other
end of its standard input. It writes one line for each thing that must not outlive it:

    +PGID  -PGID    a process group was started, has ended
    pg DIR          a Postgres cluster whose server must be stopped
    rm DIR          a folder to be removed
    bye             an orderly end: leave everything alone

When the pipe closes without "bye" (the supervisor crashed or got SIGKILL) it, in this order,
ends the groups still listed (SIGTERM, SIGKILL 5 s later), stops the Postgres servers (SIGINT,
which is a fast shutdown, SIGQUIT 5 s later), removes the folders, and exits.
"""

import fcntl
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

GRACE_S = 5.0
_LOOK_EVERY_S = 0.05


def main(lines: Iterable[str]) -> None:
    """Listen to the supervisor until the pipe closes, then end what it left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: dict[int, str | None] = {}
    clusters: dict[Path, None] = {}
    folders: dict[Path, None] = {}
    for line in map(str.strip, lines):
        word, _, rest = line.partition(" ")
        if line == "bye":
            return
        if line.startswith("+"):
            groups[int(line[1:])] = _started(int(line[1:]))
        elif line.startswith("-"):
            groups.pop(int(line[1:]), None)
        elif word == "pg":
            clusters[Path(rest)] = None
        elif word == "rm":
            folders[Path(rest)] = None
    _end_groups(groups)
    for cluster in clusters:
        _stop_postgres(cluster)
    for folder in folders:
        _remove(folder)


def _end_groups(groups: Mapping[int, str | None]) -> None:
    ours = [group for group, started in groups.items() if _is_ours(group, started)]
    for number, patience_s in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, 1.0)):
        for group in filter(_group_lives, ours):
            _tell(f"{number.name} to the process group {group}")
            with suppress(OSError):
                os.killpg(group, number)
        _wait(lambda: not any(map(_group_lives, ours)), patience_s)


def _stop_postgres(cluster: Path) -> None:
    """Stop the server the way `pg_ctl stop` does: it is asked, then told.

    A cluster that another process has locked for its own use is left running.
    """
    if _is_used(cluster):
        return
    for number in (signal.SIGINT, signal.SIGQUIT):
        pid = _postmaster(cluster)
        if pid is None:
            return
        _tell(f"{number.name} to the Postgres server {pid} in {cluster}")
        with suppress(OSError):
            os.kill(pid, number)
        _wait(lambda: _postmaster(cluster) is None, GRACE_S)


def _postmaster(cluster: Path) -> int | None:
    try:
        pid = int((cluster / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None
    return pid if _lives(pid) and "postgres" in _command(pid) else None


def _is_used(cluster: Path) -> bool:
    """Whether a process holds the lock beside the cluster (see data/embedded.py)."""
    with suppress(FileNotFoundError), cluster.with_suffix(".lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def _remove(folder: Path) -> None:
    if len(folder.parts) <= 2:  # never "/" nor "/home"
        return
    _tell(f"removes {folder}")
    shutil.rmtree(folder, ignore_errors=True)


def _is_ours(group: int, started: str | None) -> bool:
    """Guard against a number that was given to another process since."""
    now = _started(group)
    return group > 1 and group != os.getpgid(0) and now in (None, started)


def _group_lives(group: int) -> bool:
    """Whether a process of the group runs; a dead leader that nobody waited for does not."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not (_is_zombie(group) and _members(group) == {group})


def _members(group: int) -> set[int]:
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        fields = _stat(int(folder.name))
        if fields and fields[2] == str(group):
            found.add(int(folder.name))
    return found


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    fields = _stat(pid)
    return bool(fields) and fields[0] == "Z"


def _started(pid: int) -> str | None:
    """Return when a process started, in ticks since boot; None where /proc does not tell."""
    fields = _stat(pid)
    return fields[19] if fields else None


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the third on: state, parent, group, …"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _command(pid: int) -> str:
    """Return the command line of a process; where there is no /proc, what every one contains."""
    if not Path("/proc").is_dir():
        return "postgres"
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def _wait(is_over: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not is_over():
        time.sleep(_LOOK_EVERY_S)


def _tell(what: str) -> None:
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    with suppress(OSError):
        sys.stderr.write(f"{now} the supervisor died: {what}\n")


if __name__ == "__main__":
    main(sys.stdin)
