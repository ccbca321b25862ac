"""The agent that watches the hub itself, and records it as it records the projects."""

import asyncio
import time
from datetime import UTC, datetime

import psutil

from data import events, system_health
from data.database import Database
from data.events import NewEvent
from data.system_health import Vitals
from flows.agent import Agent
from flows.flow_runs.cycle import Cycle
from flows.flow_runs.runs import FlowRuns
from flows.health.monitor import HealthMonitor
from flows.polling.poller import Poller
from flows.registry.registrar import Registrar
from rules.live_rules import LiveRules

EVERY_S = 10.0
MUCH_LAG_MS = 1_000
MUCH_QUEUE = 10_000


class VitalsRecorder(Agent):
    """Writes one row of `system_health` every 10 s and tells when Prefect goes and comes.

    `rules` are those in force, once they are known: their faults are a trouble of the hub.
    """

    name = "vitals"

    def __init__(
        self,
        hub: str,
        database: Database,
        *,
        poller: Poller,
        monitor: HealthMonitor,
        registrar: Registrar,
        runs: FlowRuns,
        prefect_wanted: bool,
    ) -> None:
        super().__init__(hub)
        self._database = database
        self._poller, self._monitor, self._registrar = poller, monitor, registrar
        self._runs = runs
        self._prefect_wanted = prefect_wanted
        self._prefect_was_reachable: bool | None = None
        self._process = psutil.Process()
        self._counted, self._counted_at = 0, 0.0
        self.rules: LiveRules | None = None
        self.latest: Vitals | None = None

    async def start(self) -> None:
        self._process.cpu_percent()
        self._rate()

    async def handle(self, cycle: Cycle) -> None:
        await self._tell_of_prefect(cycle)
        vitals = self._look(self._rate(), await self._database.latency_ms())
        self.latest = vitals
        await system_health.append(self._database, vitals)
        self.handled += 1
        cycle.summary = (
            f"{vitals.status}: {vitals.projects} projects, {vitals.probes_per_s:.1f} probes/s,"
            f" lag {vitals.cycle_lag_ms:.0f} ms, CPU {vitals.cpu_percent:.0f} %,"
            f" {vitals.memory_bytes / 1e6:.0f} MB"
        )
        await asyncio.sleep(EVERY_S)

    def cycle_name(self, now: datetime) -> str:
        return f"record vitals {now:%H:%M:%S}"

    def _rate(self) -> float:
        """Return the probes per second since the last call."""
        tally = self._poller.tally
        asked, now = self._poller.handled + tally.probes + tally.scrapes, time.monotonic()
        rate = (asked - self._counted) / max(now - self._counted_at, 0.001)
        self._counted, self._counted_at = asked, now
        return rate

    def _look(self, probes_per_s: float, database_ms: float) -> Vitals:
        lag_ms = self._poller.tally.worst_lag_s * 1_000
        rule_fault = self.rules.fault if self.rules is not None else None
        refused = filter(None, (self._registrar.config_error, rule_fault))
        troubles = [
            trouble
            for trouble, is_so in (
                ("the projects file has faults", self._registrar.config_error is not None),
                (f"the rules have faults: {_first_line(rule_fault)}", rule_fault is not None),
                ("probes start late", lag_ms > MUCH_LAG_MS),
                ("samples wait to be stored", len(self._poller.outbox) > MUCH_QUEUE),
                ("samples were lost", self._poller.outbox.dropped > 0),
                (
                    "Prefect does not answer, monitoring goes on without it",
                    self._prefect_wanted and not self._runs.reachable,
                ),
                ("most of the fleet does not answer", self._monitor.suspicion.suspected),
            )
            if is_so
        ]
        return Vitals(
            hub=self.hub,
            recorded_at=datetime.now(UTC),
            status="degraded" if troubles else "healthy",
            projects=len(self._poller.roster.held),
            probes_per_s=probes_per_s,
            cycle_lag_ms=lag_ms,
            queue_depth=len(self._poller.outbox),
            database_ms=database_ms,
            prefect_ms=self._runs.latency_ms,
            prefect_reachable=self._runs.reachable,
            network_suspected=self._monitor.suspicion.suspected,
            cpu_percent=self._process.cpu_percent(),
            memory_bytes=self._process.memory_info().rss,
            config_error="\n".join(refused) or None,
            detail="; ".join(troubles) or None,
        )

    async def _tell_of_prefect(self, cycle: Cycle) -> None:
        """Record that Prefect came or went; that it is not there yet at the start is no news."""
        reachable = self._runs.reachable
        if reachable == bool(self._prefect_was_reachable):
            return
        known, self._prefect_was_reachable = self._prefect_was_reachable, reachable
        message = (
            "Prefect answers: cycles show as flow runs"
            if reachable
            else "Prefect does not answer: monitoring goes on, its cycles are not shown there"
        )
        cycle.log(message)
        await events.record(
            self._database,
            NewEvent(
                occurred_at=datetime.now(UTC),
                hub=self.hub,
                agent=self.name,
                kind="PrefectReachable" if reachable else "PrefectUnreachable",
                severity="info" if reachable else "warning",
                message=message,
                details={"first": known is None},
            ),
        )


def _first_line(text: str | None) -> str:
    return (text or "").partition("\n")[0]
