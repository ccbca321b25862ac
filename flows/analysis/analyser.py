"""The agent that looks at the metrics: one vectorised pass over whatever was just scraped."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from config.hub_file import HubSettings
from data import anomalies, projects
from data.analytics.detect import detect
from data.anomalies import Identity
from data.database import Database
from data.records import MetricSample
from flows.agent import Agent
from flows.analysis import findings
from flows.analysis.sample_window import SampleWindow
from flows.feed import Feed
from flows.flow_runs.cycle import Cycle
from flows.polling.agenda import Question
from flows.polling.roster import Roster


class MetricsAnalyser(Agent):
    """Finds anomalies within `analysis.every` of the scrape that shows them.

    The anomalies that hold live in the database; which of them are this hub's to end is read
    again for projects it sees for the first time.
    """

    name = findings.AGENT

    def __init__(
        self,
        hub: str,
        database: Database,
        settings: HubSettings,
        roster: Roster,
        *,
        metrics: Feed[MetricSample],
        ask_soon: Callable[[str, Question, float], None],
    ) -> None:
        super().__init__(hub)
        self._database = database
        self._cycle_s = settings.polling.cycle.total_seconds()
        self._every_s = settings.analysis.every.total_seconds()
        self._roster = roster
        self._metrics = metrics
        self._ask_soon = ask_soon
        self._window = SampleWindow(database)
        self._ongoing: dict[str, set[Identity]] = {}

    async def start(self) -> None:
        self._window = SampleWindow(self._database)
        self._ongoing.clear()

    async def handle(self, cycle: Cycle) -> None:
        """Look at scrapes as they come, at most every `analysis.every`, until the cycle is over."""
        looked_at = began = 0
        ends_at = cycle.started_at.timestamp() + self._cycle_s
        while (left_s := ends_at - datetime.now(UTC).timestamp()) > 0:
            if batch := await self._metrics.take(left_s):
                began += await self._look_or_put_back(batch, cycle)
                looked_at += len(batch)
                self.handled += len(batch)
            self.beat()
            await asyncio.sleep(min(self._every_s, max(left_s, 0)))
        held = sum(map(len, self._ongoing.values()))
        cycle.summary = f"{looked_at} scrapes analysed; anomalies: {began} began, {held} hold"

    def cycle_name(self, now: datetime) -> str:
        return f"analyse metrics {now:%H:%M:%S}"

    async def _look_or_put_back(self, batch: list[MetricSample], cycle: Cycle) -> int:
        try:
            return await self._look(batch, cycle)
        except BaseException:
            self._metrics.put_back(batch)
            raise

    async def _look(self, batch: Sequence[MetricSample], cycle: Cycle) -> int:
        """Judge the projects of a batch; return how many anomalies began.

        1. Bring the window up to date. 2. Detect. 3. Record what changed.
        4. Have the logs of projects in new trouble read at once, while the cause is in them.
        """
        specs = self._roster.specs
        names = {sample.project for sample in batch} & specs.keys()
        await self._window.add(batch, specs)
        await self._recall_ongoing(names)
        detection = detect(*self._window.view(names))
        ongoing = {identity for name in names for identity in self._ongoing[name]}
        no_limit_any_more = ongoing - self._window.judged(names) if ongoing else set()
        cleared = detection.cleared | no_limit_any_more
        seen = findings.compare(detection.findings, cleared, ongoing, datetime.now(UTC))
        if seen:
            dependencies = await projects.dependencies(self._database) if seen.started else {}
            await findings.record(self._database, self.hub, seen, dependencies)
        for finding in seen.started:
            self._ongoing[finding.project].add(finding.identity)
            self._ask_soon(finding.project, "details", 0.0)
            cycle.log(f"{finding.project}: {finding.reason}", logging.WARNING)
        for identity in seen.over:
            self._ongoing[identity[0]].discard(identity)
            cycle.log(f"{identity[0]}: {identity[1]} is back within its limits")
        return len(seen.started)

    async def _recall_ongoing(self, names: set[str]) -> None:
        self._ongoing = {n: held for n, held in self._ongoing.items() if n in self._roster.held}
        strangers = sorted(names - self._ongoing.keys())
        if strangers:
            for anomaly in await anomalies.open_in(self._database, strangers):
                self._ongoing.setdefault(anomaly.project, set()).add(anomaly.identity)
            for name in strangers:
                self._ongoing.setdefault(name, set())
