"""A hub watches real services: what it records, what it notices, what it survives."""

import asyncio
import logging
import socket
from datetime import UTC, datetime

import httpx
import pytest

from data import agents, projects, system_health
from tests.hub.watched import HUB_FILE, QUICK, Watched
from tests.programs import eventually
from tests.services import Service, projects_yaml


async def test_a_crash_is_an_event_within_a_second(watched: Watched) -> None:
    """At default settings: the idle connection tells, not the next probe."""
    (service, *_) = await watched.serve("a", "b", timeouts={"health": "5s"})
    await watched.hub("h")
    await watched.all_healthy()
    await asyncio.sleep(2)  # a hub that is just starting is busy with that
    crashed_at = datetime.now(UTC)
    await service.crash()
    event = await watched.event("ProjectDown", "a")
    assert (event.recorded_at - crashed_at).total_seconds() < 1.0
    assert event.message == "a is down: connection refused"
    assert event.incident_id is not None


async def test_a_project_that_comes_back_is_recovered_and_its_incident_resolved(
    watched: Watched,
) -> None:
    (service, *_) = await watched.serve("a", "b")
    await watched.hub("h")
    await watched.all_healthy()
    await service.crash()
    await watched.event("ProjectDown", "a")
    await service.start()
    event = await watched.event("ProjectRecovered", "a")
    assert event.details["from"] == "down"
    incident = await watched.incident(project="a", kind="down", state="resolved")
    assert incident.resolution == "healthy again"


async def test_a_degraded_answer_is_told_apart_from_an_outage(watched: Watched) -> None:
    (service,) = await watched.serve("a")
    await watched.hub("h")
    await watched.all_healthy()
    service.status = "degraded"
    event = await watched.event("ProjectDegraded", "a")
    assert event.severity == "warning"


async def test_each_event_belongs_to_the_incident_it_opened(watched: Watched) -> None:
    (service,) = await watched.serve("a")
    await watched.hub("h")
    await watched.all_healthy()
    service.status = "degraded"
    degraded = await watched.event("ProjectDegraded", "a")
    await service.crash()
    down = await watched.event("ProjectDown", "a")
    assert (await watched.incident(id=degraded.incident_id)).kind == "degraded"
    assert (await watched.incident(id=down.incident_id)).kind == "down"


async def test_a_metric_beyond_its_limit_is_an_anomaly_with_its_reason(watched: Watched) -> None:
    (service,) = await watched.serve("a")
    await watched.hub("h")
    await watched.all_healthy()
    service.metrics["memory_percent"] = 93.0
    event = await watched.event("AnomalyDetected", "a")
    assert event.details["metric"] == "memory_percent"
    assert event.details["value"] == 93.0
    assert event.details["threshold"] == 85.0
    assert "memory_percent above 85" in event.details["reason"]
    incident = await watched.incident(project="a", kind="memory", state="open")
    service.metrics["memory_percent"] = 40.0
    await watched.event("AnomalyCleared", "a")
    resolved = await watched.incident(id=incident.id, state="resolved")
    assert resolved.resolution == "back within its limits"


async def test_a_new_version_is_a_deploy(watched: Watched) -> None:
    (service,) = await watched.serve("a")
    await watched.hub("h")
    await watched.all_healthy()

    async def reported() -> bool:
        return bool((await projects.find(watched.database, "a")).reported)

    await eventually(reported)
    service.version = "2.0.0"
    event = await watched.event("ProjectDeployed", "a")
    assert (event.details["from_version"], event.details["to_version"]) == ("1.0.0", "2.0.0")


async def test_an_outage_upstream_explains_that_of_its_dependent(watched: Watched) -> None:
    web, api, *_ = await watched.serve("web", "api", "other", "more")
    text = projects_yaml(watched.services, **QUICK)
    watched.write(text.replace("- name: web", "- depends_on: [api]\n  name: web"))
    await watched.hub("h")
    await watched.all_healthy()
    await api.crash()
    cause = await watched.incident(project="api", kind="down")
    await web.crash()
    suppressed = await watched.incident(project="web", cause_incident_id=cause.id)
    assert suppressed.kind == "down"
    await watched.event("IncidentSuppressed", "web")


async def test_when_most_fall_silent_the_hub_suspects_its_own_network(watched: Watched) -> None:
    services = await watched.serve("a", "b", "c", "d")
    await watched.hub("h")
    await watched.all_healthy()
    await asyncio.gather(*(service.crash() for service in services))
    event = await watched.event("FleetUnreachable")
    assert "probably the network of h itself" in event.message
    fleet = await watched.incident(project=None, kind="fleet_unreachable")
    for name in "abcd":
        await watched.incident(project=name, cause_incident_id=fleet.id)
    for service in services:
        await service.start()
    await watched.event("FleetReachable")
    await watched.incident(id=fleet.id, state="resolved")


async def test_an_edit_of_the_file_takes_effect_within_two_seconds(watched: Watched) -> None:
    await watched.serve("a")
    await watched.hub("h")
    await watched.all_healthy()
    service = Service(name="b")
    await service.start()
    watched.services.append(service)
    edited_at = datetime.now(UTC)
    watched.write(projects_yaml(watched.services, **QUICK))

    async def probed() -> bool:
        return service.probes > 0

    await eventually(probed)
    assert (datetime.now(UTC) - edited_at).total_seconds() < 2.0
    watched.write(projects_yaml(watched.services[1:], **QUICK))

    async def gone() -> bool:
        return set(await watched.held_by()) == {"b"}

    await eventually(gone, within_s=2)


async def test_an_edit_behind_a_link_takes_effect_too(watched: Watched) -> None:
    """As a Kubernetes ConfigMap is mounted: the name stays, what it points to changes."""
    await watched.serve("a")
    link, first, second = (watched.folder / name for name in ("projects.yaml", "one", "two"))
    first.write_text(link.read_text())
    second.write_text(projects_yaml([], **QUICK))
    link.unlink()
    link.symlink_to(first)
    await watched.hub("h")
    await watched.all_healthy()
    link.unlink()
    link.symlink_to(second)

    async def gone() -> bool:
        return await watched.held_by() == {}

    await eventually(gone, within_s=2)


async def test_an_incident_of_a_project_that_is_paused_is_closed(watched: Watched) -> None:
    service, _ = await watched.serve("a", "b")
    await watched.hub("h")
    await watched.all_healthy()
    await service.crash()
    incident = await watched.incident(project="a", kind="down")
    await projects.set_paused(watched.database, "a", paused=True)
    closed = await watched.incident(id=incident.id, state="resolved")
    assert closed.resolution == "no longer watched"
    await projects.set_paused(watched.database, "a", paused=False)
    again = await watched.incident(project="a", kind="down", state="open")
    assert again.id != incident.id


async def test_an_anomaly_whose_limit_is_gone_is_over(watched: Watched) -> None:
    (service,) = await watched.serve("a")
    service.metrics["memory_percent"] = 93.0
    await watched.hub("h")
    await watched.incident(project="a", kind="memory", state="open")
    watched.write(projects_yaml([service], **QUICK, thresholds={"memory_percent": None}))
    await watched.incident(project="a", kind="memory", state="resolved")


async def test_a_hub_that_starts_again_closes_its_fleet_incident(watched: Watched) -> None:
    services = await watched.serve("a", "b", "c")
    await watched.hub("h")
    await watched.all_healthy()
    for service in services:
        await service.crash()
    fleet = await watched.incident(kind="fleet_unreachable", state="open")
    await watched.stop()
    for service in services:
        await service.start()
    await watched.hub("h")
    await watched.incident(id=fleet.id, state="resolved")


async def test_a_broken_edit_keeps_the_last_good_configuration(watched: Watched) -> None:
    (service,) = await watched.serve("a")
    await watched.hub("h")
    await watched.all_healthy()
    good = (watched.folder / "projects.yaml").read_text()
    watched.write("projects:\n  - name: a\n    url: nonsense\n    colour: blue\n")
    event = await watched.event("ConfigRejected")
    assert len(event.details["faults"]) == 2
    before = service.probes

    async def still_probed() -> bool:
        return service.probes > before + 1

    await eventually(still_probed)

    async def shown() -> bool:
        latest = await system_health.latest(watched.database)
        return any(vitals.config_error for vitals in latest)

    await eventually(shown)
    assert "projects.yaml:3" in event.message
    watched.write(good)
    await watched.event("ConfigAccepted")


async def test_a_second_hub_takes_half_and_all_after_a_kill(watched: Watched) -> None:
    await watched.serve("a", "b", "c", "d")
    first = await watched.program("first")
    await watched.all_healthy()
    await watched.hub("second")

    async def halved() -> bool:
        return sorted(map(str, (await watched.held_by()).values())) == [
            *["first"] * 2,
            *["second"] * 2,
        ]

    await eventually(halved)
    await first.kill()

    async def taken_over() -> bool:
        return set((await watched.held_by()).values()) == {"second"}

    await eventually(taken_over, within_s=15)


async def test_a_hub_that_is_killed_is_itself_again_after_a_restart(watched: Watched) -> None:
    """What was recorded stays; the same name and so the same projects come back at once."""
    (service,) = await watched.serve("a")
    hub = await watched.program("h")
    await watched.all_healthy()
    row = await watched.database.fetch_one("SELECT count(*) AS n FROM project_status_history")
    await hub.kill()
    before = service.probes
    await watched.program("h")

    async def probed() -> bool:
        return service.probes > before

    await eventually(probed)
    now = await watched.database.fetch_one("SELECT count(*) AS n FROM project_status_history")
    assert row is not None
    assert now is not None
    assert now["n"] >= row["n"]
    assert set((await watched.held_by()).values()) == {"h"}


async def test_a_paused_project_is_left_alone(watched: Watched) -> None:
    a, b = await watched.serve("a", "b")
    await watched.hub("h")
    await watched.all_healthy()
    await projects.set_paused(watched.database, "a", paused=True)

    async def let_go() -> bool:
        return (await watched.held_by())["a"] is None

    await eventually(let_go, within_s=2)
    await asyncio.sleep(0.3)  # what was under way ends
    before, b_before = a.probes, b.probes

    async def others_go_on() -> bool:
        return b.probes > b_before + 1

    await eventually(others_go_on)
    assert a.probes == before


async def test_every_agent_gives_a_sign_of_life(watched: Watched) -> None:
    await watched.serve("a")
    await watched.hub("h")
    await watched.all_healthy()
    watching = "health-monitor", "maintainer", "metrics-analyser", "poller", "registrar", "vitals"
    crew = *watching, "auditor", "notifier", "responder", "rules-keeper"

    async def alive() -> bool:
        rows = await agents.list_all(watched.database)
        return {row.agent: row.state for row in rows} == dict.fromkeys(crew, "running")

    await eventually(alive)


async def test_the_hub_answers_the_four_paths_about_itself(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await watched.serve("a")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (watched.folder / "hub.yaml").write_text(HUB_FILE.replace("port: 0", f"port: {port}"))
    await watched.hub("h")
    await watched.all_healthy()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:

        async def measured() -> bool:
            return "# TYPE opslore_probes_per_s gauge" in (await client.get("/metrics")).text

        await eventually(measured)
        health = (await client.get("/health")).json()
        status = (await client.get("/status")).json()
        logs = (await client.get("/logs")).json()
    assert health["status"] == "healthy"
    assert status["name"] == "h"
    assert any("holds 1 projects" in line["message"] for line in logs["lines"])


async def test_a_hub_that_is_stopped_gives_its_projects_back(watched: Watched) -> None:
    await watched.serve("a", "b")
    hub = await watched.program("h")
    await watched.all_healthy()
    assert await hub.stop() == 0
    assert set((await watched.held_by()).values()) == {None}
    await watched.event("HubStopped")
