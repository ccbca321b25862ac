"""The agent that asks: every held project, each thing at its time, none waiting for another."""

import asyncio
import logging
import random
from collections.abc import Coroutine
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from config.hub_file import PollingSettings
from data import samples
from data.database import Database, DatabaseError
from data.projects import ClaimedProject, HeldProject
from data.records import HealthSample, MetricSample, StatusReport
from flows.agent import Agent
from flows.clock import Clock, instant
from flows.feed import Feed
from flows.flow_runs.cycle import Cycle
from flows.polling.agenda import QUESTIONS, Agenda, Appointment, Question, next_due
from flows.polling.log_tail import LogTail
from flows.polling.outbox import Outbox
from flows.polling.prober import Prober
from flows.polling.roster import Roster
from flows.polling.tally import Tally

logger = logging.getLogger(__name__)

SHORTEST_NAP_S = 0.01
FIRST_ASKED_WITHIN_S = 1.0
LOG_TAIL = 200


class Poller(Agent):
    """Claims projects, asks each on its own cadence, stores the answers and hands them on.

    Three loops run from `start` to `stop`: one holds the leases, one asks what is due, one
    stores. A cycle watches over them for `polling.cycle` and then tells what they did. The
    results go to the feeds of the other agents the moment they are known, and to the database
    within `polling.flush`, at once where a project is not well.
    """

    name = "poller"

    def __init__(
        self,
        hub: str,
        database: Database,
        settings: PollingSettings,
        roster: Roster,
        registry_changed: asyncio.Event,
        *,
        health: Feed[HealthSample],
        metrics: Feed[MetricSample],
        reports: Feed[StatusReport],
    ) -> None:
        super().__init__(hub)
        self.roster = roster
        self.tally = Tally()
        self.outbox = Outbox(database, flush_s=settings.flush.total_seconds())
        self._database = database
        self._settings = settings
        self._registry_changed = registry_changed
        self._health, self._metrics, self._reports = health, metrics, reports
        self._clock = Clock()
        self._agenda = Agenda()
        self._probers: dict[str, Prober] = {}
        self._log_tail = LogTail()
        self._in_flight: dict[tuple[str, Question], asyncio.Task[None]] = {}
        self._loops: set[asyncio.Task[None]] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()

    async def start(self) -> None:
        self._loops = {
            asyncio.create_task(self._hold(), name="hold"),
            asyncio.create_task(self._ask(), name="ask"),
            asyncio.create_task(self.outbox.run(), name="store"),
        }

    async def handle(self, cycle: Cycle) -> None:
        """Let the loops work for one cycle, fail if one of them failed, tell what they did."""
        done, _ = await asyncio.wait(
            self._loops,
            timeout=self._settings.cycle.total_seconds(),
            return_when=asyncio.FIRST_COMPLETED,
        )
        for loop in done:
            loop.result()
        tally, self.tally = self.tally, Tally()
        self.handled += tally.probes + tally.scrapes
        cycle.summary = tally.summary(len(self.roster.held))
        for project, state in sorted(tally.unwell.items()):
            cycle.log(f"{project} is {state}", logging.WARNING)
        if self.outbox.dropped:
            cycle.log(f"{self.outbox.dropped} samples were lost: no room", logging.ERROR)

    async def stop(self) -> None:
        for task in [*self._loops, *self._in_flight.values()]:
            task.cancel()
        await asyncio.gather(*self._loops, *self._in_flight.values(), return_exceptions=True)
        self._in_flight.clear()
        for project in list(self._probers):
            self._drop(project)
        await asyncio.gather(*self._closing, return_exceptions=True)
        with suppress(DatabaseError):
            await self.outbox.flush()
            await self.roster.release_all()

    def cycle_name(self, now: datetime) -> str:
        return f"poll {len(self.roster.held)} projects {now:%H:%M:%S}"

    def ask_soon(self, project: str, question: Question, after_s: float = 0.0) -> None:
        """Ask earlier than the cadence says; the cadence itself stays."""
        due_at = self._clock.now() + after_s
        current = self._agenda.due(project, question)
        if project in self._probers and (current is None or due_at < current):
            self._agenda.set(project, question, due_at)
            self._woken.set()

    # The loop that holds the leases.

    async def _hold(self) -> None:
        heartbeat_s = self._settings.heartbeat.total_seconds()
        while True:
            try:
                await self.roster.refresh(self._held_projects(), self._take, self._drop)
            except DatabaseError as error:
                logger.warning("leases were not renewed: %s", error)
            self.beat()
            self._woken.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._registry_changed.wait(), heartbeat_s)
            self._registry_changed.clear()

    def _held_projects(self) -> list[HeldProject]:
        return [
            HeldProject(
                name=name,
                next_health_at=instant(self._next(project, "health")),
                next_metrics_at=instant(self._next(project, "metrics")),
            )
            for name, project in self.roster.held.items()
        ]

    def _next(self, project: ClaimedProject, question: Question) -> float:
        due = self._agenda.due(project.spec.name, question)
        return due if due is not None else self._on_cadence(project, question)

    def _on_cadence(self, project: ClaimedProject, question: Question) -> float:
        interval: timedelta = getattr(project.spec.intervals, question)
        return next_due(project.spec.name, question, interval.total_seconds(), self._clock.now())

    def _take(self, project: ClaimedProject) -> None:
        """Begin to ask a project that is new to this hub, or whose specification changed."""
        name = project.spec.name
        self._close(name)
        self._probers[name] = Prober(project.spec, on_peer_lost=self._peer_lost)
        queued = {"health": project.next_health_at, "metrics": project.next_metrics_at}
        for question in QUESTIONS:
            cadence = self._on_cadence(project, question)
            soon = self._clock.now() + random.random() * FIRST_ASKED_WITHIN_S
            at = queued.get(question)
            due = max(at.timestamp(), soon) if at is not None else soon
            self._agenda.set(name, question, min(due, cadence) if at is not None else due)

    def _drop(self, name: str) -> None:
        self._agenda.remove(name)
        self._log_tail.forget(name)
        self._close(name)

    def _close(self, name: str) -> None:
        prober = self._probers.pop(name, None)
        if prober is not None:
            task = asyncio.create_task(prober.aclose())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _peer_lost(self, project: str) -> None:
        logger.info("%s closed its connection and takes no new one: probing now", project)
        self.ask_soon(project, "health")

    # The loop that asks.

    async def _ask(self) -> None:
        while True:
            now = self._clock.now()
            for appointment in self._agenda.take_due(now):
                self._begin(appointment, now)
            next_at = self._agenda.next_at()
            nap_s = max(SHORTEST_NAP_S, (next_at or now + 1.0) - self._clock.now())
            if next_at is None or nap_s > SHORTEST_NAP_S:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), nap_s)
                self._woken.clear()
            else:
                await asyncio.sleep(nap_s)

    def _begin(self, appointment: Appointment, now: float) -> None:
        """Ask without waiting for the answer, and make the next appointment."""
        name, question = appointment.project, appointment.question
        project = self.roster.held.get(name)
        prober = self._probers.get(name)
        if project is None or prober is None:
            return
        self._agenda.set(name, question, self._on_cadence(project, question))
        key = (name, question)
        if key in self._in_flight or len(self._in_flight) >= self._settings.max_concurrent:
            self.tally.skipped += 1
            return
        self.tally.worst_lag_s = max(self.tally.worst_lag_s, now - appointment.due_at)
        task = asyncio.create_task(self._answer(prober, project, question))
        self._in_flight[key] = task
        task.add_done_callback(lambda done: self._finish(key, done))

    def _finish(self, key: tuple[str, Question], task: asyncio.Task[None]) -> None:
        self._in_flight.pop(key, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.errors += 1
            self.last_error = f"{key[0]} {key[1]}: {type(error).__name__}: {error}"
            self.last_error_at = datetime.now(UTC)
            logger.error("asking %s for its %s failed", *key, exc_info=error)

    def _answer(
        self, prober: Prober, project: ClaimedProject, question: Question
    ) -> Coroutine[None, None, None]:
        match question:
            case "health":
                return self._probe(prober)
            case "metrics":
                return self._scrape(prober)
            case "details":
                return self._read_details(prober, project.spec.name)

    async def _probe(self, prober: Prober) -> None:
        sample = await prober.probe_health()
        if self._probers.get(sample.project) is not prober:
            return  # it was dropped meanwhile, or is asked differently now
        self.tally.note_probe(sample)
        self._health.put(sample)
        self.outbox.put(sample, urgent=sample.status != "healthy")

    async def _scrape(self, prober: Prober) -> None:
        sample = await prober.scrape_metrics()
        if self._probers.get(sample.project) is not prober:
            return
        self.tally.note_scrape(sample)
        self._metrics.put(sample)
        self.outbox.put(sample)

    async def _read_details(self, prober: Prober, name: str) -> None:
        report = await prober.read_status()
        if report is not None:
            self._reports.put(report)
        lines = await prober.read_logs()
        if lines and (self._log_tail.knows(name) or await self._recall_logs(name)):
            for line in self._log_tail.new_lines(name, lines):
                self.outbox.put(line)

    async def _recall_logs(self, name: str) -> bool:
        """Learn which lines are stored already; False while Postgres is away."""
        since = datetime.now(UTC) - timedelta(days=1)
        try:
            stored = await samples.recent_logs(self._database, [name], since=since, limit=LOG_TAIL)
        except DatabaseError:
            return False
        self._log_tail.remember(name, stored)
        return True
