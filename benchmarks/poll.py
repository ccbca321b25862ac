"""CPU per probe of a whole hub, beside a bare httpx loop and beside Prometheus.

    uv run python -m benchmarks.poll [--seconds 20] [--fleets 3,300,3000]

Everything is measured in one run on this machine, one after another, against the same target
process, which is not counted. A probe is one HTTP exchange whose answer is parsed, stored and
judged: a health probe or a scrape. CPU is user and system time of whole processes.
"""

import argparse
import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import psycopg
import uvloop
import yaml

from data.embedded import EmbeddedPostgres

ROOT = Path(__file__).resolve().parent.parent
WARM_UP_S = 8.0
PREFECT_STARTS_S = 25.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """CPU microseconds per probe over a stretch of time, each column with what the last counts."""

    what: str
    projects: int
    probes_per_s: float
    cpu_us: float
    with_prefect_us: float | None = None
    with_postgres_us: float | None = None
    rss_mb: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="length of each measurement")
    parser.add_argument("--fleets", default="3,300,3000", help="how many projects")
    given = parser.parse_args()
    fleets = [int(count) for count in given.fleets.split(",")]
    with tempfile.TemporaryDirectory(prefix="opslore-bench-") as folder, target() as port:
        rows = [
            asyncio.run(bare_httpx(port, 300, given.seconds)),
            *(hub(Path(folder) / f"hub{count}", port, count, given.seconds) for count in fleets),
        ]
        prometheus_row = prometheus(Path(folder) / "prometheus", port, 300, given.seconds)
    show(rows, prometheus_row)


@contextmanager
def target() -> Iterator[int]:
    """Run the services to be watched, all in one process, and give its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.poll_target", str(port)], cwd=ROOT
    )
    try:
        _wait_for_port(port)
        yield port
    finally:
        process.terminate()
        process.wait()


async def bare_httpx(port: int, count: int, seconds: float) -> Row:
    """One httpx client per project, asked as fast as the hub asks, the answer thrown away."""
    clients = [httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/p{n}") for n in range(count)]
    per_s = count * 2
    asked = 0
    await asyncio.gather(*(client.get("/health") for client in clients))
    started, cpu = time.monotonic(), time.process_time()
    while time.monotonic() - started < seconds:
        due = int((time.monotonic() - started) * per_s)
        batch = range(asked, due)
        await asyncio.gather(
            *(clients[n % count].get("/health" if n % 2 else "/metrics") for n in batch)
        )
        asked = max(asked, due)
        await asyncio.sleep(0.02)
    used, took = time.process_time() - cpu, time.monotonic() - started
    for client in clients:
        await client.aclose()
    return Row(
        what="httpx alone",
        projects=count,
        probes_per_s=asked / took,
        cpu_us=used / asked * 1e6,
        rss_mb=psutil.Process().memory_info().rss / 1e6,
    )


def hub(folder: Path, port: int, count: int, seconds: float) -> Row:
    """What `opslore up` runs: Postgres, Prefect, a hub; 600 probes/s from 300 projects on."""
    every = "1s" if count <= 300 else f"{count // 300}s"
    folder.mkdir(parents=True)
    intervals = {"health": every, "metrics": every, "details": "1h"}
    projects = [{"name": f"p{n}", "url": f"http://127.0.0.1:{port}/p{n}"} for n in range(count)]
    document = {"defaults": {"intervals": intervals}, "projects": projects}
    (folder / "projects.yaml").write_text(yaml.safe_dump(document))
    (folder / "hub.yaml").write_text("listen: {port: 0}\npolling: {max_concurrent: 4096}\n")
    environment = {
        "OPSLORE_HOME": str(folder),
        "OPSLORE_PROJECTS": str(folder / "projects.yaml"),
        "OPSLORE_HUB": str(folder / "hub.yaml"),
        "OPSLORE_LOG_LEVEL": "WARNING",
    }
    program = subprocess.Popen(
        [sys.executable, "-m", "hub.main", "up"],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
    )
    try:
        postgres = EmbeddedPostgres(folder / "postgres")
        url = _record_of(postgres, program)
        _wait_for_rows(url, count)
        time.sleep(WARM_UP_S + PREFECT_STARTS_S)
        return _measure(program.pid, postgres, url, count, seconds)
    finally:
        program.send_signal(signal.SIGTERM)
        program.wait()


def _measure(pid: int, postgres: EmbeddedPostgres, url: str, count: int, seconds: float) -> Row:
    family = psutil.Process(pid).children(recursive=True)
    watcher = next(process for process in family if process.cmdline()[-1] == "hub")
    prefect = [process for process in family if "prefect_entry" in " ".join(process.cmdline())]
    others = [psutil.Process(pid), *prefect]

    def used() -> tuple[float, float, float]:
        return _cpu([watcher]), _cpu(others), _postgres_cpu(postgres)

    before, rows, started = used(), _rows(url), time.monotonic()
    time.sleep(seconds)
    probes, took = _rows(url) - rows, time.monotonic() - started
    own, beside, record = (
        (now - then) / probes * 1e6 for now, then in zip(used(), before, strict=True)
    )
    return Row(
        what="hub",
        projects=count,
        probes_per_s=probes / took,
        cpu_us=own,
        with_prefect_us=own + beside,
        with_postgres_us=own + beside + record,
        rss_mb=watcher.memory_info().rss / 1e6,
    )


def prometheus(folder: Path, port: int, count: int, seconds: float) -> Row | None:
    """Prometheus on as many targets, every second, with four alert rules; None where it is not."""
    program = shutil.which("prometheus")
    if program is None:
        return None
    folder.mkdir(parents=True)
    jobs = [
        {
            "job_name": f"p{n}",
            "metrics_path": f"/p{n}/metrics",
            "static_configs": [{"targets": [f"127.0.0.1:{port}"]}],
        }
        for n in range(count)
    ]
    limits = {"cpu_percent": 80, "memory_percent": 85, "error_rate_percent": 5, "response_ms": 2000}
    rules = [{"alert": name, "expr": f"{name} > {limit}"} for name, limit in limits.items()]
    settings = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    (folder / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}))
    (folder / "prometheus.yml").write_text(
        json.dumps({"global": settings, "rule_files": ["rules.yml"], "scrape_configs": jobs})
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        own_port = free.getsockname()[1]
    process = subprocess.Popen(
        [
            program,
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{own_port}",
            "--log.level=error",
        ]
    )
    try:
        _wait_for_port(own_port)
        time.sleep(WARM_UP_S)
        watched = psutil.Process(process.pid)
        cpu, started = _cpu([watched]), time.monotonic()
        time.sleep(seconds)
        used, took = _cpu([watched]) - cpu, time.monotonic() - started
        return Row(
            what="Prometheus",
            projects=count,
            probes_per_s=count,
            cpu_us=used / (count * took) * 1e6,
            rss_mb=watched.memory_info().rss / 1e6,
        )
    finally:
        process.terminate()
        process.wait()


def show(rows: list[Row], mark: Row | None) -> None:
    """Print the rows and, where Prometheus is there, the first column as a ratio to its."""
    columns = ("projects", "probes/s", "CPU µs", "+Prefect", "+Postgres", "RSS MB", "ratio")
    print(f"{'':<12}" + "".join(f"{heading:>11}" for heading in columns))
    for row in [*rows, *([mark] if mark else [])]:
        figures = (
            row.projects,
            row.probes_per_s,
            row.cpu_us,
            row.with_prefect_us,
            row.with_postgres_us,
            row.rss_mb,
        )
        ratio = f"{row.cpu_us / mark.cpu_us:11.2f}" if mark else f"{'–':>11}"
        print(f"{row.what:<12}" + "".join(map(_figure, figures)) + ratio)
    if mark is None:
        print("Prometheus is not installed: no mark to compare with")


def _figure(value: float | None) -> str:
    return f"{'–':>11}" if value is None else f"{value:>11,.0f}"


def _cpu(processes: list[psutil.Process]) -> float:
    """CPU seconds used so far by processes that still run."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def _postgres_cpu(postgres: EmbeddedPostgres) -> float:
    """CPU seconds of the server, of its backends, and of those that have ended."""
    server = psutil.Process(postgres.postmaster_pid)
    times = server.cpu_times()
    total = sum(times[:4])  # its own, and that of children that have ended
    for backend in server.children():
        with suppress(psutil.NoSuchProcess):
            total += _cpu([backend])
    return float(total)


def _record_of(postgres: EmbeddedPostgres, program: "subprocess.Popen[bytes]") -> str:
    """Return the address of the record of a program that is starting."""
    deadline = time.monotonic() + 30
    while postgres.postmaster_pid is None and time.monotonic() < deadline:
        if program.poll() is not None:
            raise RuntimeError(f"the program ended with {program.returncode}")
        time.sleep(0.1)
    time.sleep(2)  # until its database is made
    postgres.start()
    url = postgres.url()
    postgres.stop()
    return url


def _rows(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM project_status_history)"
            " + (SELECT count(*) FROM project_metrics)"
        ).fetchone()
    return int(row[0]) if row else 0


def _wait_for_rows(url: str, count: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            if _rows(url) >= count:
                return
        except psycopg.errors.UndefinedTable:
            pass
        time.sleep(0.5)
    raise TimeoutError(f"the hub did not probe {count} projects within 2 minutes")


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"nothing listens on port {port}")


if __name__ == "__main__":
    uvloop.install()
    main()
