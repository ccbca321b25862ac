"""One supervisor at a time in a folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.errors import OpsloreError


class AlreadyRunning(OpsloreError):
    """Another one runs in this folder."""


@contextmanager
def only_one(what: str, home: Path) -> Iterator[None]:
    """Hold the folder `home` for `what`, as in "demo", until the block or the process ends.

    Raises:
        AlreadyRunning: another process holds it; with its number and what to do.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / f"{what}.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise AlreadyRunning(
                f"`opslore {what}` runs already in {home} (process {lock.read().strip()}):"
                " stop it, or give this one a folder of its own by OPSLORE_HOME"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield
