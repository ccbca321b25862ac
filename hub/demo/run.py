"""A run of the demo: the fleet, the faults, the hub that notices them, and the account."""

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from config.errors import OpsloreError
from config.hub_file import HubSettings
from config.settings import Settings
from data import events, projects, samples
from data.database import Database, DatabaseError
from data.embedded import EmbeddedPostgres
from hub.demo.account import Account, Injected, account_of
from hub.demo.approver import approve_what_is_asked
from hub.demo.pace import hub_of
from hub.fleet import director
from hub.fleet.loopback_client import NoAnswer, request
from hub.fleet.members import FaultKind
from hub.fleet.projects_config import projects_config
from hub.fleet.schedule import FaultPlan, randomised, scripted
from hub.only_one import only_one
from hub.supervisor import Supervisor

WATCHING_WITHIN_S = 40.0
ROUND_S = 600.0
"""How long a round of faults is at most: the longer it is, the longer it takes to plan."""


class FleetFailed(OpsloreError):
    """The demo fleet did not start."""


class NothingWatched(OpsloreError):
    """The hub did not begin to watch the fleet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPlan:
    """What to show: for how long (None: until stopped), which faults, in which order."""

    seconds: float | None
    kinds: Sequence[FaultKind]
    seed: int | None

    def rounds(self) -> Iterator[Sequence[FaultPlan]]:
        """Yield what to play, one round after the other."""
        for number in count():
            left_s = ROUND_S if self.seconds is None else self.seconds - number * ROUND_S
            if left_s <= 0:
                return
            if self.seed is None:
                yield scripted(min(left_s, ROUND_S), self.kinds)
            else:
                yield randomised(self.seed + number, min(left_s, ROUND_S), self.kinds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Where the demo fleet answers."""

    platform_url: str
    project_urls: Mapping[str, str]


@dataclass(slots=True, kw_only=True)
class DemoRun:
    """A demo that is up: where its parts are, and what has been injected so far."""

    supervisor: Supervisor
    database: Database
    fleet: Fleet
    started_at: datetime
    injected: list[Injected] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    interrupted: bool = False
    _place: dict[FaultPlan, int] = field(default_factory=dict)

    def headline(self) -> str:
        """Say in one line how the demo stands."""
        watched_s = (datetime.now(UTC) - self.started_at).total_seconds()
        active = [f"{f.kind} on {f.project}" for f in self.injected if not f.cleared_at]
        return f"Opslore demo, {watched_s:.0f} s: " + (", ".join(active) or "all calm")

    async def play(self, rounds: Iterable[Sequence[FaultPlan]]) -> None:
        """Play the faults to their end; what cannot be played is an error of the account."""
        for plans in rounds:
            url = self.fleet.platform_url
            played = await director.play(plans, url, self._injected, self._cleared)
            self.errors += [
                f"{one.plan.kind} of {one.plan.project} was not played: {one.error}"
                for one in played
                if one.error
            ]

    async def account(self) -> Account:
        """Write down what happened until now."""
        probes, scrapes = await samples.count(self.database, self.started_at)
        recorded = [
            event
            for event in await events.after(self.database, 0, limit=100_000)
            if event.recorded_at >= self.started_at
        ]
        return account_of(
            started_at=self.started_at,
            seconds=(datetime.now(UTC) - self.started_at).total_seconds(),
            interrupted=self.interrupted,
            probes=probes,
            scrapes=scrapes,
            flow_runs=await self._flow_runs(),
            faults=self.injected,
            events=recorded,
            errors=[*self.errors, *self._restarts()],
            messages=await self._messages(),
        )

    def _injected(self, plan: FaultPlan, at: datetime) -> None:
        self._place[plan] = len(self.injected)
        self.injected.append(
            Injected(kind=plan.kind, project=plan.project, touches=plan.touches, injected_at=at)
        )

    def _cleared(self, plan: FaultPlan, at: datetime, _healed: bool) -> None:
        place = self._place[plan]
        self.injected[place] = replace(self.injected[place], cleared_at=at)

    def _restarts(self) -> list[str]:
        hub = self.supervisor.hub
        return [f"the hub died {hub.restarts} times"] if hub and hub.restarts else []

    async def _messages(self) -> list[str]:
        """Return the subjects of what was told to the person of the demo."""
        try:
            _, inbox = await request("GET", f"{self.fleet.platform_url}/inbox")
        except NoAnswer:
            return []
        return [str(message.get("title")) for message in inbox["messages"]]

    async def _flow_runs(self) -> int:
        prefect = self.supervisor.prefect
        return await prefect.count_flow_runs() if prefect else 0


@asynccontextmanager
async def demo_run(
    settings: Settings, hub: HubSettings, tell: Callable[[str], None]
) -> AsyncIterator[DemoRun]:
    """Start the fleet, the record, Prefect and the hub; end them all on leaving.

    The demo keeps its state in a folder of its own, made anew at every start, so that an
    account is of this run alone and the user's own record is not touched. `tell` is told what
    is being waited for.

    Raises:
        AlreadyRunning: a demo keeps its state there.
        FleetFailed, NothingWatched, EmbeddedPostgresFailed: nothing is left running.
    """
    with only_one("demo", settings.home):
        async with _demo_run(settings, hub, tell) as running:
            yield running


@asynccontextmanager
async def _demo_run(
    settings: Settings, hub: HubSettings, tell: Callable[[str], None]
) -> AsyncIterator[DemoRun]:
    home = settings.home / "demo"
    await asyncio.to_thread(_remove, home)
    own = settings.model_copy(
        update={
            "home": home,
            "database_url": None,
            "projects_file": home / "projects.yaml",
            "hub_file": home / "hub.yaml",
        }
    )
    home.mkdir(parents=True)
    tell("Postgres")
    async with Supervisor(own, hub) as supervisor:
        tell("the demo projects and the platform that hosts them")
        fleet = await _start_fleet(supervisor)
        tell("the hub, until it has found them healthy; Prefect loads meanwhile")
        own.hub_file.write_text(_hub_file(hub_of(fleet.platform_url)))
        own.projects_file.write_text(projects_config(fleet.platform_url, fleet.project_urls))
        await supervisor.start_hub("demo")
        async with Database(supervisor.database_url, max_size=2) as database:
            await _until_watched(database, len(fleet.project_urls))
            approving = asyncio.create_task(approve_what_is_asked(database), name="approver")
            try:
                yield DemoRun(
                    supervisor=supervisor,
                    database=database,
                    fleet=fleet,
                    started_at=datetime.now(UTC),
                )
            finally:
                approving.cancel()


def _hub_file(hub: HubSettings) -> str:
    """Return the settings as a file, which JSON is."""
    return json.dumps(hub.model_dump(mode="json", by_alias=True))


def _remove(home: Path) -> None:
    """Remove what an earlier demo left; the Postgres of one that was just killed may still run."""
    postgres = EmbeddedPostgres(home / "postgres")
    if postgres.postmaster_pid is not None:
        postgres.start()
        postgres.stop()
    shutil.rmtree(home, ignore_errors=True)


async def _start_fleet(supervisor: Supervisor) -> Fleet:
    """Start the platform and read the line in which it says where everything is."""
    argv = [sys.executable, "-m", "hub.fleet.hosting"]
    child = await supervisor.start_child("fleet", argv, restart=False)
    line = await child.first_line(WATCHING_WITHIN_S)
    try:
        told = json.loads(line)
        return Fleet(platform_url=told["platform"], project_urls=told["projects"])
    except (json.JSONDecodeError, KeyError) as error:
        raise FleetFailed(
            f"the demo fleet did not start, see {child.log_file}: {child.last_lines(1)}"
        ) from error


async def _until_watched(database: Database, count: int) -> None:
    """Wait until every project of the fleet was found healthy once."""
    deadline = asyncio.get_running_loop().time() + WATCHING_WITHIN_S
    while asyncio.get_running_loop().time() < deadline:
        try:
            found = await projects.list_all(database)
            if sum(project.status == "healthy" for project in found) == count:
                return
        except DatabaseError:
            pass  # the hub has not made the schema yet
        await asyncio.sleep(0.2)
    raise NothingWatched("the hub did not find the demo fleet healthy; see the log of the hub")
