"""Programs that others wrote, as Debian packages them, started on free loopback ports."""

import asyncio
import re
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from hub.prefect_server import free_port
from hub.processes import Child
from tests.requirements import find_program

HOST: Final = "127.0.0.1"
PROGRAMS: Final = {
    "prometheus": "prometheus",
    "machine": "prometheus-node-exporter",
    "etcd": "etcd",
    "nginx": "nginx",
    "website": "nginx",
}
"""Which program each service of config/examples/well-known-services.yaml is."""

_PROMETHEUS_YML: Final = """\
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: itself
    static_configs: [{{targets: ["{host}:{port}"]}}]
"""
_NGINX_CONF: Final = """\
daemon off; master_process off; pid {folder}/pid; error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{ listen {host}:{port}; location / {{ return 200 "<h1>hello</h1>"; }} }}
{snippet}
}}
"""


@dataclass(kw_only=True)
class ForeignServices:
    """The programs that are installed here, running; `urls` by the service's name in the example.

    On leaving, what runs is ended by its process group.
    """

    folder: Path
    example: str
    urls: dict[str, str] = field(default_factory=dict)
    _children: dict[str, Child] = field(default_factory=dict)
    _leaving: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def __aenter__(self) -> "ForeignServices":
        starters: dict[str, Callable[[str, Path], list[str]]] = {
            "prometheus": self._prometheus,
            "prometheus-node-exporter": self._node_exporter,
            "etcd": self._etcd,
            "nginx": self._nginx,
        }
        for program, arguments in starters.items():
            path = find_program(program)
            if path is None:
                continue
            folder = self.folder / program
            folder.mkdir()
            argv = [path, *arguments(program, folder)]
            child = self._children[program] = Child(program, argv, log_file=folder / "log")
            self._leaving.push_async_callback(child.stop, 2.0)
            await child.start()
        await asyncio.gather(*(self._answers(service) for service in self.urls))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._leaving.aclose()

    async def stop(self, program: str) -> None:
        await self._children[program].stop()

    async def write_to_etcd(self) -> None:
        """Write a key every 100 ms, until cancelled."""
        async with httpx.AsyncClient(base_url=self.urls["etcd"]) as client:
            while True:
                put = await client.post("/v3/kv/put", json={"key": "YQ==", "value": "Yg=="})
                put.raise_for_status()
                await asyncio.sleep(0.1)

    def _listen(self, service: str) -> int:
        port = free_port(HOST, 0)
        self.urls[service] = f"http://{HOST}:{port}"
        return port

    def _prometheus(self, program: str, folder: Path) -> list[str]:
        port = self._listen(program)
        (folder / "prometheus.yml").write_text(_PROMETHEUS_YML.format(host=HOST, port=port))
        return [
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={HOST}:{port}",
        ]

    def _node_exporter(self, _program: str, _folder: Path) -> list[str]:
        """In a container / is an overlay, which is left out unless told otherwise."""
        return [
            f"--web.listen-address={HOST}:{self._listen('machine')}",
            "--collector.filesystem.fs-types-exclude=^(proc|sysfs|tmpfs|devpts|mqueue|cgroup2?)$",
        ]

    def _etcd(self, program: str, folder: Path) -> list[str]:
        clients = f"http://{HOST}:{self._listen(program)}"
        peers = f"http://{HOST}:{free_port(HOST, 0)}"
        return [
            f"--data-dir={folder / 'data'}",
            f"--listen-client-urls={clients}",
            f"--advertise-client-urls={clients}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}",
        ]

    def _nginx(self, program: str, folder: Path) -> list[str]:
        """The server that reports connections is the one in the example's comment."""
        snippet = "\n".join(re.findall(r"(?m)^  #     (.*)$", self.example))
        assert "listen 127.0.0.1:8081;" in snippet
        snippet = snippet.replace(":8081", f":{self._listen(program)}")
        conf = _NGINX_CONF.format(
            folder=folder, host=HOST, port=self._listen("website"), snippet=snippet
        )
        (folder / "nginx.conf").write_text(conf)
        return ["-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]

    async def _answers(self, service: str) -> None:
        child = self._children[PROGRAMS[service]]
        async with httpx.AsyncClient() as client, asyncio.timeout(20):
            while True:
                assert not child.over, f"{child.name} ended: {child.last_lines()}"
                try:
                    await client.get(self.urls[service])
                    return
                except httpx.HTTPError:
                    await asyncio.sleep(0.05)
