"""Services, the files that name them, and the hubs that watch them, for tests to look at."""

import asyncio
from pathlib import Path

from config.hub_file import read_hub
from config.settings import Settings
from data import events, incidents, projects
from data.database import Database
from data.events import Event
from data.incidents import Incident
from hub.assembly import HubPlan
from hub.hub_life import run_hub
from tests.programs import Program, eventually
from tests.services import Service, projects_yaml

QUICK = {
    "intervals": {"health": "1s", "metrics": "1s", "details": "5s"},
    "timeouts": {"health": "1s", "metrics": "1s"},
}
HUB_FILE = "listen: {port: 0}\npolling: {cycle: 2s, lease: 3s, heartbeat: 500ms}\n"


class Watched:
    """Services, the files that name them, and the hubs that watch them."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder = folder
        self.database = database
        self.services: list[Service] = []
        self.programs: list[Program] = []
        self.rules: Path | None = None
        self._inside: list[tuple[asyncio.Event, asyncio.Task[None]]] = []

    async def serve(self, *names: str, **defaults: object) -> list[Service]:
        for name in names:
            service = Service(name=name)
            await service.start()
            self.services.append(service)
        self.write(projects_yaml(self.services, **(defaults or QUICK)))
        if not (self.folder / "hub.yaml").exists():
            (self.folder / "hub.yaml").write_text(HUB_FILE)
        return self.services

    def use_rules(self, text: str) -> Path:
        """Have hubs follow one file of rules, this one, instead of those that ship."""
        self.rules = self.folder / "rules"
        (self.rules / "library").mkdir(parents=True, exist_ok=True)
        file = self.rules / "library" / "own.yaml"
        file.write_text(text)
        return file

    def write(self, text: str) -> None:
        (self.folder / "projects.yaml").write_text(text)

    async def hub(self, name: str) -> None:
        """Run a hub in this process, which saves it the imports."""
        settings = Settings(
            OPSLORE_HOME=self.folder / "home",
            OPSLORE_PROJECTS=self.folder / "projects.yaml",
            **({"OPSLORE_RULES": self.rules} if self.rules else {}),
        )
        plan = HubPlan(
            settings=settings,
            hub=read_hub(self.folder / "hub.yaml"),
            database_url=self.database.url,
            prefect_api_url=None,
            name=name,
        )
        stop = asyncio.Event()
        self._inside.append((stop, asyncio.create_task(run_hub(plan, stop))))

    async def stop(self) -> None:
        """Stop the hubs of this process in order."""
        for stop, hub in self._inside:
            stop.set()
            await asyncio.wait_for(hub, 10)
        self._inside.clear()

    async def program(self, name: str) -> Program:
        """Run a hub as a user does, to be killed."""
        hub = Program(
            arguments=("hub", "--name", name),
            environment={
                "OPSLORE_HOME": str(self.folder / "home"),
                "OPSLORE_DATABASE_URL": self.database.url,
                "OPSLORE_PROJECTS": str(self.folder / "projects.yaml"),
                "OPSLORE_HUB": str(self.folder / "hub.yaml"),
                "PREFECT_API_URL": "",
                **({"OPSLORE_RULES": str(self.rules)} if self.rules else {}),
            },
            log=self.folder / f"{name}.log",
        )
        self.programs.append(hub)
        return await hub.start()

    async def event(self, kind: str, project: str | None = None, within_s: float = 15) -> Event:
        async def look() -> list[Event]:
            return await events.after(self.database, 0, kind=kind, project=project)

        return (await eventually(look, within_s=within_s))[-1]

    async def all_healthy(self) -> None:
        async def look() -> bool:
            found = await projects.list_all(self.database)
            return len(found) == len(self.services) and all(p.status == "healthy" for p in found)

        await eventually(look)

    async def held_by(self) -> dict[str, str | None]:
        return {p.name: p.leased_by for p in await projects.list_all(self.database)}

    async def incident(self, **wanted: object) -> Incident:
        async def look() -> list[Incident]:
            return [
                incident
                for incident in await incidents.list_newest(self.database)
                if all(getattr(incident, key) == value for key, value in wanted.items())
            ]

        return (await eventually(look))[0]
