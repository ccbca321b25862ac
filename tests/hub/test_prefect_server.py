"""Prefect's server as a child: where it listens, what it is told, and that it answers."""

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psutil
import pytest
import pytest_asyncio

from hub import prefect_server
from hub.prefect_server import PrefectServer, PrefectServerFailed, api_url, free_port, ui_url
from tests.programs import eventually

slow = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PrefectServer]:
    """A server on SQLite, the database it has when none is given."""
    home = tmp_path_factory.mktemp("opslore")
    async with PrefectServer(home=home, port=0) as server:
        await server.ready()
        yield server


class TestAServerOfOurOwn:
    pytestmark = slow

    async def test_it_serves_the_api_and_the_pages(self, server: PrefectServer) -> None:
        async with httpx.AsyncClient(follow_redirects=True) as client:
            assert (await client.get(f"{server.api_url}/ready")).status_code == 200
            assert "<html" in (await client.get(server.ui_url)).text

    async def test_its_pages_ask_the_api_at_the_address_they_came_from(
        self, server: PrefectServer
    ) -> None:
        async with httpx.AsyncClient() as client:
            settings = (await client.get(f"{server.ui_url}/ui-settings")).json()
        assert settings["api_url"] == "/api"

    async def test_it_tells_nobody_anything(self, server: PrefectServer) -> None:
        async with httpx.AsyncClient() as client:
            settings = (await client.get(f"{server.api_url}/admin/settings")).json()
        assert settings["server"]["analytics_enabled"] is False
        assert settings["server"]["ui"]["show_promotional_content"] is False

    async def test_all_it_keeps_is_in_the_home_folder(self, server: PrefectServer) -> None:
        assert server.child is not None
        home = server.child.log_file.parents[1]
        assert {path.name for path in home.iterdir()} == {"logs", "prefect"}
        assert (home / "prefect" / "prefect.db").exists()
        assert (home / "prefect" / "ui").is_dir()

    async def test_it_counts_our_flow_runs_only(self, server: PrefectServer) -> None:
        async with httpx.AsyncClient(base_url=server.api_url) as client:

            async def made(path: str, **body: object) -> str:
                """Ask until it is made: on SQLite a busy server answers 503 now and then."""

                async def ask() -> str | None:
                    answer = await client.post(path, json=body)
                    return str(answer.json()["id"]) if answer.is_success else None

                return await eventually(ask) or ""

            flow = await made("/flows/", name="poller")
            for run_tags in (["opslore"], []):
                await made("/flow_runs/", flow_id=flow, tags=run_tags)

        async def counted() -> bool:
            return await server.count_flow_runs() == 1

        await eventually(counted)

    async def test_it_is_one_process(self, server: PrefectServer) -> None:
        assert server.child is not None
        assert server.child.pid is not None
        assert psutil.Process(server.child.pid).children(recursive=True) == []


async def test_a_server_given_by_its_address_is_used_and_none_is_started(tmp_path: Path) -> None:
    async with PrefectServer(home=tmp_path, api_url="http://prefect.example:4200/api/") as server:
        assert (server.external, server.child) == (True, None)
        assert server.api_url == "http://prefect.example:4200/api"
        assert server.ui_url == "http://prefect.example:4200"
    assert not (tmp_path / "prefect").exists()


async def test_a_server_that_does_not_answer_is_told_so_by_its_address(tmp_path: Path) -> None:
    server = PrefectServer(home=tmp_path, api_url="http://127.0.0.1:1/api")
    with pytest.raises(PrefectServerFailed, match=r"http://127.0.0.1:1/api did not answer"):
        await server.ready(0.2)
    assert await server.count_flow_runs() == 0


async def test_a_server_that_dies_at_once_is_an_error_with_the_end_of_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.processes.BACKOFF_FIRST_S", 0.01)
    monkeypatch.setattr(prefect_server, "_ENTRY", ["-c", "raise SystemExit('no room')"])
    async with PrefectServer(home=tmp_path, port=0) as server:
        with pytest.raises(PrefectServerFailed, match="no room"):
            await server.ready(20)


async def test_the_environment_may_set_what_is_not_about_the_address(tmp_path: Path) -> None:
    given = {
        "PREFECT_SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS": "7",
        "PREFECT_API_DATABASE_CONNECTION_URL": "sqlite:///elsewhere.db",
        "PREFECT_PROFILE": "cloud",
    }
    server = PrefectServer(home=tmp_path, environ=given)
    environ = server._environment()
    assert environ["PREFECT_SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS"] == "7"
    assert environ["PREFECT_API_DATABASE_CONNECTION_URL"].endswith("/prefect/prefect.db")
    assert "PREFECT_PROFILE" not in environ


def test_a_taken_port_gives_way_to_the_next_free_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert port < free_port("127.0.0.1", port) <= port + 20 or port > 65_000


def test_a_free_port_is_taken_as_wanted() -> None:
    port = free_port("127.0.0.1", 0)
    assert free_port("127.0.0.1", port) == port


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", "http://127.0.0.1:4200/api"),
        ("0.0.0.0", "http://127.0.0.1:4200/api"),
        ("::", "http://[::1]:4200/api"),
        ("::1", "http://[::1]:4200/api"),
        ("prefect.example", "http://prefect.example:4200/api"),
    ],
)
def test_the_address_of_the_api_is_one_that_can_be_asked(host: str, expected: str) -> None:
    assert api_url(host, 4200) == expected


def test_the_pages_are_where_the_api_is() -> None:
    assert ui_url("http://127.0.0.1:4200/api/") == "http://127.0.0.1:4200"
