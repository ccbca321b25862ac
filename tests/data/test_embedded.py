"""The embedded Postgres: shared, started again after a kill, never confused by what is left."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from data.embedded import EmbeddedPostgres, EmbeddedPostgresFailed


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    made = EmbeddedPostgres(tmp_path / "postgres")
    yield made
    made.stop()


def kill(postgres: EmbeddedPostgres) -> None:
    pid = postgres.postmaster_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def test_it_runs_as_long_as_one_holds_it(postgres: EmbeddedPostgres) -> None:
    other = EmbeddedPostgres(postgres.folder)
    postgres.start()
    other.start()
    pid = postgres.postmaster_pid
    postgres.stop()
    assert other.postmaster_pid == pid is not None
    other.stop()
    assert other.postmaster_pid is None


def test_it_starts_again_at_once_after_a_kill_with_every_commit(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute("CREATE TABLE commits (number integer)")
        for number in range(100):
            connection.execute("INSERT INTO commits VALUES (%s)", [number])
        kill(postgres)
    postgres.start()
    with psycopg.connect(postgres.url()) as connection:
        assert connection.execute("SELECT count(*) FROM commits").fetchone() == (100,)


@pytest.fixture
def innocent() -> Iterator[int]:
    """The number of a process that has nothing to do with it."""
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    with subprocess.Popen(sleep) as process:
        yield process.pid
        assert process.poll() is None
        process.kill()


def test_the_number_of_a_dead_server_may_be_another_process_by_now(
    postgres: EmbeddedPostgres, innocent: int
) -> None:
    """As after a restart of the machine."""
    postgres.start()
    kill(postgres)
    socket_lock = Path(postgres.socket_folder) / ".s.PGSQL.5432.lock"
    for left in (postgres.folder / "postmaster.pid", socket_lock):
        _, *rest = left.read_text().splitlines()
        left.write_text("\n".join([str(innocent), *rest]) + "\n")
    postgres.start()
    assert postgres.postmaster_pid not in {None, innocent}
    postgres.stop()


def test_what_an_interrupted_start_left_is_thrown_away(postgres: EmbeddedPostgres) -> None:
    half = postgres.folder.with_suffix(".unfinished")
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    postgres.start()
    assert not half.exists()
    assert postgres.postmaster_pid is not None


def test_a_folder_that_holds_something_else_is_left_alone(postgres: EmbeddedPostgres) -> None:
    postgres.folder.mkdir()
    precious = postgres.folder / "letters.txt"
    precious.write_text("dear")
    with pytest.raises(EmbeddedPostgresFailed, match="did not start"):
        postgres.start()
    assert precious.read_text() == "dear"
    assert list(postgres.folder.iterdir()) == [precious]
