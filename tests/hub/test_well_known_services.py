"""Services that others wrote are watched with configuration only: the one in config/examples."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from config.hub_file import read_hub
from config.projects_file import ProjectSpec, read_projects
from config.settings import ROOT, Settings
from data import events, incidents, migrations, projects, samples
from data.database import Database
from data.embedded import EmbeddedPostgres
from data.records import HealthSample, MetricSample
from flows.polling.payloads.metrics_payload import MetricsReader, Reading
from hub.assembly import HubPlan
from hub.hub_life import run_hub
from hub.prefect_server import PrefectServer, free_port
from tests.foreign_services import HOST, PROGRAMS, ForeignServices
from tests.programs import eventually
from tests.requirements import require_program

EXAMPLE = ROOT / "config" / "examples" / "well-known-services.yaml"
STARTED_AT = datetime.now(UTC)
MANY = re.compile(r"[\d,]+ series, kept 200")
CORES = os.cpu_count() or 1
OF_THIS_MACHINE = {"cpu_percent", "io_wait_percent", "disk_percent", "sync_ms"}
SCRAPES = 4

live = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Every service that could be started, after a hub scraped each of them a few times."""

    database: Database
    services: ForeignServices

    async def scrapes(self, name: str) -> list[MetricSample]:
        """Return the scrapes of a project, oldest first; skip where its program is missing."""
        if name in PROGRAMS:
            require_program(PROGRAMS[name])
        return await samples.recent_metrics(self.database, [name], since=STARTED_AT, limit=100)

    async def probes(self, name: str) -> list[HealthSample]:
        if name in PROGRAMS:
            require_program(PROGRAMS[name])
        return await samples.recent_health(self.database, [name], since=STARTED_AT, limit=100)

    async def version(self, name: str) -> object:
        return (await projects.find(self.database, name)).reported.get("version")

    async def are_known(self) -> bool:
        """Tell whether each is healthy, and scraped often enough where it can be scraped."""
        for project in await projects.list_all(self.database):
            scrapes = await self.scrapes(project.name)
            wanted = SCRAPES if project.spec.paths.metrics else 0
            if project.status != "healthy" or len(scrapes) < wanted:
                return False
        return True


def projects_file(urls: dict[str, str]) -> str:
    """Return the example for what runs here: other URLs and intervals, the same mapping.

    "prefect-with-metrics" is "prefect" with the metrics that the example's comment tells of.
    """
    document = yaml.safe_load(EXAMPLE.read_text())
    document["defaults"]["intervals"] = {"health": "1s", "metrics": "1s", "details": "5s"}
    prefect = next(entry for entry in document["projects"] if entry["name"] == "prefect")
    with_metrics = {"name": "prefect-with-metrics", "paths": {"health": "/health"}}
    document["projects"] = [
        {**entry, "url": urls[entry["name"]]}
        for entry in (*document["projects"], {**prefect, **with_metrics})
        if entry["name"] in urls
    ]
    return yaml.safe_dump(document)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def watched(
    tmp_path_factory: pytest.TempPathFactory, cluster: EmbeddedPostgres
) -> AsyncIterator[Watched]:
    folder = tmp_path_factory.mktemp("well-known")
    (folder / "services").mkdir()
    async with AsyncExitStack() as stack:
        prefect = await stack.enter_async_context(
            PrefectServer(
                home=folder / "prefect",
                port=0,
                environ={**os.environ, "PREFECT_SERVER_METRICS_ENABLED": "true"},
            )
        )
        services = await stack.enter_async_context(
            ForeignServices(folder=folder / "services", example=EXAMPLE.read_text())
        )
        database = await stack.enter_async_context(Database(cluster.url("well_known_services")))
        await migrations.migrate(database)
        port = free_port(HOST, 0)
        urls = {**services.urls, "hub": f"http://{HOST}:{port}"}
        (folder / "projects.yaml").write_text(projects_file(urls))
        (folder / "hub.yaml").write_text(f"listen: {{port: {port}}}\n")
        plan = HubPlan(
            settings=Settings(
                OPSLORE_HOME=folder / "home", OPSLORE_PROJECTS=folder / "projects.yaml"
            ),
            hub=read_hub(folder / "hub.yaml"),
            database_url=database.url,
            prefect_api_url=None,
            name="h",
        )
        stop = asyncio.Event()
        hub = asyncio.create_task(run_hub(plan, stop))
        busy = asyncio.create_task(services.write_to_etcd()) if "etcd" in urls else None
        watched = Watched(database=database, services=services)
        try:
            await prefect.ready()
            urls |= dict.fromkeys(["prefect", "prefect-with-metrics"], prefect.api_url)
            (folder / "projects.yaml").write_text(projects_file(urls))
            await eventually(lambda: _listed(watched, len(urls)), within_s=20)
            await eventually(watched.are_known, within_s=20, every_s=0.2)
            yield watched
        finally:
            stop.set()
            await asyncio.wait_for(hub, 10)
            if busy is not None:
                busy.cancel()
                with suppress(asyncio.CancelledError):
                    await busy


async def _listed(watched: Watched, count: int) -> bool:
    return len(await projects.list_all(watched.database)) == count


def _told(scrapes: list[MetricSample]) -> set[str]:
    """Return what details there are, but that there is more than is kept."""
    return {s.detail for s in scrapes if s.detail and not MANY.fullmatch(s.detail)}


class TestTheServicesThemselves:
    pytestmark = live

    @pytest.mark.parametrize(
        "name",
        [*PROGRAMS, "prefect", "prefect-with-metrics", "hub"],
    )
    async def test_each_is_healthy_at_every_probe(self, watched: Watched, name: str) -> None:
        probes = await watched.probes(name)
        refused = [probe for probe in probes if probe.status != "healthy"]
        assert probes
        assert [p for p in refused if name != "hub"] == []  # it asks itself before it listens
        assert probes[-1].http_status == 200
        assert probes[-1].detail is None
        assert 0 < (probes[-1].response_ms or 0) < 1000

    async def test_nothing_about_them_is_an_anomaly(self, watched: Watched) -> None:
        """But how busy and how full this machine is."""
        found = await events.after(watched.database, 0, kind="AnomalyDetected")
        assert [e.message for e in found if e.details["metric"] not in OF_THIS_MACHINE] == []

    async def test_prometheus_tells_its_memory_errors_and_answers(self, watched: Watched) -> None:
        scrapes = await watched.scrapes("prometheus")
        last = scrapes[-1]
        assert _told(scrapes) == set()
        assert 0 <= _known(last.cpu_percent) <= 100 * CORES
        assert 0.1 < _known(last.memory_percent) < 10
        assert last.error_rate_percent == 0
        assert 0 < _known(last.response_ms) < 1000
        assert 0 < last.other["open_files_percent"] < 50
        assert last.other["head_series"] > 100
        assert last.other["config_loaded"] == 1
        assert last.other["notifications_dropped_per_s"] == 0
        assert len(last.other) == 200

    async def test_the_version_of_prometheus_is_known(self, watched: Watched) -> None:
        require_program("prometheus")
        version = await eventually(lambda: watched.version("prometheus"))
        assert re.match(r"\d+\.\d+", str(version))

    async def test_the_node_exporter_tells_of_the_machine(self, watched: Watched) -> None:
        scrapes = await watched.scrapes("machine")
        assert _told(scrapes) == set()
        cpu = [_known(scrape.cpu_percent) for scrape in scrapes[1:]]
        assert all(0 <= value <= 100 for value in cpu)
        assert max(cpu) > 0
        last = scrapes[-1]
        assert 1 < _known(last.memory_percent) < 99
        assert last.error_rate_percent is None
        assert 0 < last.other["disk_percent"] < 100
        assert 0 <= last.other["io_wait_percent"] <= 100
        assert last.other["load_1m"] > 0

    async def test_etcd_tells_of_its_calls_its_disk_and_its_leader(self, watched: Watched) -> None:
        scrapes = await watched.scrapes("etcd")
        last = scrapes[-1]
        assert _told(scrapes) == set()
        assert 0 <= _known(last.cpu_percent) <= 100 * CORES
        assert 0.1 < _known(last.memory_percent) < 10
        assert {scrape.error_rate_percent for scrape in scrapes} == {None, 0}
        assert last.other["has_leader"] == 1
        assert 0 < max(scrape.other.get("sync_ms", 0) for scrape in scrapes) < 1000
        assert 0 < last.other["database_percent"] < 1
        assert "etcd_disk_wal_write_bytes_total" in last.other

    async def test_nginx_tells_its_connections_once_its_configuration_does(
        self, watched: Watched
    ) -> None:
        scrapes = await watched.scrapes("nginx")
        connections = scrapes[-1].other
        assert _told(scrapes) == set()
        assert connections["connections_active"] >= 1
        assert connections["connections_writing"] >= 1
        assert set(connections) == {
            f"connections_{what}" for what in ("active", "reading", "writing", "waiting")
        }

    @pytest.mark.parametrize("name", ["website", "prefect"])
    async def test_what_offers_no_metrics_is_not_asked_for_any(
        self, watched: Watched, name: str
    ) -> None:
        scrapes = await watched.scrapes(name)
        assert {(s.detail, *s.other) for s in scrapes} == {("no metrics are offered",)}
        assert 0 < _known(scrapes[-1].response_ms) < 1000

    async def test_prefect_tells_its_cpu_where_it_offers_metrics(self, watched: Watched) -> None:
        scrapes = await watched.scrapes("prefect-with-metrics")
        assert _told(scrapes) == set()
        assert 0 <= _known(scrapes[-1].cpu_percent) <= 100 * CORES
        assert scrapes[-1].other["process_resident_memory_bytes"] > 10_000_000

    async def test_the_hub_watches_itself(self, watched: Watched) -> None:
        scrapes = await watched.scrapes("hub")
        last = scrapes[-1]
        assert 0 <= _known(last.cpu_percent) <= 100 * CORES
        assert 0 < _known(last.memory_percent) < 100

        async def counted() -> bool:
            newest = (await watched.scrapes("hub"))[-1]
            return newest.other.get("opslore_projects", 0) >= 1 and newest.detail is None

        await eventually(counted)

    async def test_when_nginx_stops_its_site_is_down_because_of_it(self, watched: Watched) -> None:
        """The last of these tests: nobody starts it again."""
        require_program("nginx")
        await watched.services.stop("nginx")

        async def down() -> list[str]:
            found = await events.after(watched.database, 0, kind="ProjectDown", project="nginx")
            return [event.message for event in found]

        async def suppressed() -> bool:
            (cause,) = await incidents.list_newest(watched.database, project="nginx")
            found = await incidents.list_newest(watched.database, project="website")
            return [incident.cause_incident_id for incident in found] == [cause.id]

        assert await eventually(down) == ["nginx is down: connection refused"]
        await eventually(suppressed)


def _known(value: float | None) -> float:
    assert value is not None
    return value


def _spec(name: str) -> ProjectSpec:
    return next(spec for spec in read_projects(EXAMPLE) if spec.name == name)


def _read_twice(name: str, first: str, second: str) -> Reading:
    """Return what the example makes of the second of two bodies that are 10 s apart."""
    reader = MetricsReader(_spec(name).metrics)
    reader.read(first.encode(), "text/plain", read_at=0.0)
    return reader.read(second.encode(), "text/plain", read_at=10.0)


SPRING_BOOT = """\
# TYPE process_cpu_usage gauge
process_cpu_usage 0.125
system_cpu_usage 0.5
jvm_threads_live_threads 24.0
jvm_memory_used_bytes{{area="heap",id="G1 Survivor Space"}} 1048576.0
jvm_memory_used_bytes{{area="heap",id="G1 Old Gen"}} 104857600.0
jvm_memory_used_bytes{{area="heap",id="G1 Eden Space"}} 27262976.0
jvm_memory_used_bytes{{area="nonheap",id="Metaspace"}} 57868288.0
jvm_memory_max_bytes{{area="heap",id="G1 Survivor Space"}} -1.0
jvm_memory_max_bytes{{area="heap",id="G1 Old Gen"}} 532676608.0
jvm_memory_max_bytes{{area="heap",id="G1 Eden Space"}} -1.0
jvm_memory_max_bytes{{area="nonheap",id="Metaspace"}} -1.0
http_server_requests_seconds_count{{error="none",method="GET",status="200",uri="/a"}} {ok}
http_server_requests_seconds_sum{{error="none",method="GET",status="200",uri="/a"}} {ok_s}
http_server_requests_seconds_count{{error="E",method="GET",status="503",uri="/a"}} {failed}
http_server_requests_seconds_sum{{error="E",method="GET",status="503",uri="/a"}} {failed_s}
"""
FASTAPI = """\
process_resident_memory_bytes 2.5e+08
process_cpu_seconds_total {cpu_s}
http_requests_total{{handler="/a",method="GET",status="2xx"}} {ok}
http_request_duration_seconds_count{{handler="/a",method="GET"}} {ok}
http_request_duration_seconds_sum{{handler="/a",method="GET"}} {ok_s}
http_request_duration_highr_seconds_sum {ok_s}
"""


def test_spring_boots_names_and_units_are_translated() -> None:
    reading = _read_twice(
        "orders",
        SPRING_BOOT.format(ok=100, ok_s=5.0, failed=4, failed_s=1.0),
        SPRING_BOOT.format(ok=118, ok_s=6.0, failed=6, failed_s=3.0),
    )
    assert reading.detail is None
    assert reading.cpu_percent == 12.5
    assert reading.memory_percent == pytest.approx(25, abs=0.1)
    assert reading.error_rate_percent == 10
    assert reading.response_ms == pytest.approx(150)
    assert reading.other["threads"] == 24


def test_fastapi_that_never_failed_has_an_error_rate_of_zero() -> None:
    reading = _read_twice(
        "recommendations",
        FASTAPI.format(ok=100, ok_s=5.0, cpu_s=7.0),
        FASTAPI.format(ok=120, ok_s=6.0, cpu_s=9.0),
    )
    assert reading.detail is None
    assert reading.cpu_percent == pytest.approx(20)
    assert reading.memory_percent == 25
    assert reading.error_rate_percent == 0
    assert reading.response_ms == pytest.approx(50)


def test_every_threshold_of_the_example_is_about_a_metric_that_there_is() -> None:
    named: dict[str, Any] = {spec.name: spec for spec in read_projects(EXAMPLE)}
    common = {"cpu_percent", "memory_percent", "error_rate_percent", "response_ms"}
    for spec in named.values():
        told_by_nginx = {"connections_active"} if spec.name == "nginx" else set()
        assert set(spec.thresholds) <= common | set(spec.metrics) | told_by_nginx, spec.name


def test_the_page_of_stub_status_is_not_taken_for_metrics() -> None:
    page = b"Active connections: 1 \nserver accepts handled requests\n 1 1 1 \n"
    reading = MetricsReader({}).read(page, "text/plain", read_at=0.0)
    assert reading == Reading(detail="neither JSON nor Prometheus text")


def test_a_missing_program_skips_the_test_and_fails_it_where_all_are_required(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("OPSLORE_REQUIRE_ALL", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-program is not installed"):
        require_program("no-such-program")
    monkeypatch.setenv("OPSLORE_REQUIRE_ALL", "1")
    with pytest.raises(pytest.fail.Exception, match="no-such-program is not installed"):
        require_program("no-such-program")
