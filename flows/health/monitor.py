"""The agent that says whether a project is up: debounced, confirmed at once, fleet-aware."""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from urllib.parse import urlsplit

from config.hub_file import HubSettings
from data import events, incidents, projects
from data.database import Database, DatabaseError
from data.events import NewEvent
from data.projects import ClaimedProject
from data.records import HealthSample, StatusReport
from flows.agent import Agent
from flows.feed import Feed
from flows.flow_runs.cycle import Cycle
from flows.health import deploys, fleet_outage, status_changes, unwatched
from flows.health.debounce import Standing, judge
from flows.health.network_suspicion import NetworkSuspicion
from flows.health.status_changes import StatusChange
from flows.polling.agenda import Question
from flows.polling.roster import Roster

AskSoon = Callable[[str, Question, float], None]


class HealthMonitor(Agent):
    """Settles each project's status from its probes, and records what changed.

    The settled status lives in the database and is moved there with a guard, so that it is one
    for all hubs; the count of probes that disagree lives here and starts again after a
    take-over. A calm fleet costs one query a cycle.
    """

    name = status_changes.AGENT

    def __init__(
        self,
        hub: str,
        database: Database,
        settings: HubSettings,
        roster: Roster,
        *,
        health: Feed[HealthSample],
        reports: Feed[StatusReport],
        ask_soon: AskSoon,
    ) -> None:
        super().__init__(hub)
        self._database = database
        self._cycle_s = settings.polling.cycle.total_seconds()
        self._roster = roster
        self._health, self._reports = health, reports
        self._ask_soon = ask_soon
        self._standings: dict[str, Standing] = {}
        self.suspicion = NetworkSuspicion(
            ratio=settings.network_suspicion.ratio,
            minimum=settings.network_suspicion.minimum,
            within=settings.network_suspicion.within,
        )

    async def start(self) -> None:
        self._standings.clear()
        self.suspicion.suspected = await incidents.fleet_incident_is_open(self._database, self.hub)

    async def handle(self, cycle: Cycle) -> None:
        """Judge probes as they come, until the cycle is over."""
        judged = changed = 0
        ends_at = cycle.started_at.timestamp() + self._cycle_s
        while (left_s := ends_at - datetime.now(UTC).timestamp()) > 0:
            batch = await self._health.take(left_s)
            changes = await self._judge_or_put_back(batch, cycle)
            judged, changed = judged + len(batch), changed + len(changes)
            await self._note_deploys(await self._reports.take(0), cycle)
            self.handled += len(batch)
            self.beat()
        self._forget_what_is_gone()
        await unwatched.close_incidents(self._database, self.hub)
        cycle.summary = f"{judged} probes judged, {changed} status changes"
        if self.suspicion.suspected:
            cycle.log("most of the fleet does not answer: probably our network", logging.ERROR)

    def cycle_name(self, now: datetime) -> str:
        return f"watch health {now:%H:%M:%S}"

    async def _judge_or_put_back(
        self, batch: list[HealthSample], cycle: Cycle
    ) -> list[StatusChange]:
        """Judge a batch; if it cannot be recorded the probes wait for the next attempt."""
        standings, suspected = dict(self._standings), self.suspicion.suspected
        try:
            return await self._judge(batch, cycle)
        except BaseException:
            self._standings, self.suspicion.suspected = standings, suspected
            self._health.put_back(batch)
            raise

    async def _judge(self, batch: Sequence[HealthSample], cycle: Cycle) -> list[StatusChange]:
        """Weigh each probe, in order; a project changes at most once in one transaction."""
        pending: dict[str, StatusChange] = {}
        done: list[StatusChange] = []
        for sample in batch:
            project = self._roster.held.get(sample.project)
            if project is None:
                continue
            if sample.project in pending:
                done += await self._record(pending, cycle)
                pending = {}
            self.suspicion.note(sample)
            self._weigh(project, sample, pending)
        if pending:
            done += await self._record(pending, cycle)
        await self._judge_the_network()
        return done

    def _weigh(
        self, project: ClaimedProject, sample: HealthSample, pending: dict[str, StatusChange]
    ) -> None:
        name, policy = project.spec.name, project.spec.health_policy
        standing = self._standings.get(name) or Standing(
            status=project.status, since=project.status_since
        )
        verdict = judge(policy, standing, sample)
        self._standings[name] = verdict.standing
        match verdict.next_step:
            case "confirm":
                self._ask_soon(name, "health", policy.confirm_after.total_seconds())
            case "changed":
                pending[name] = StatusChange(
                    project=name,
                    from_status=standing.status,
                    to_status=verdict.standing.status,
                    was_since=standing.since,
                    since=verdict.standing.since,
                    sample=sample,
                )

    async def _record(self, pending: dict[str, StatusChange], cycle: Cycle) -> list[StatusChange]:
        await self._judge_the_network()
        made = await status_changes.record(
            self._database,
            self.hub,
            list(pending.values()),
            network_suspected=self.suspicion.suspected,
        )
        for name, change in pending.items():
            if name in made:
                cycle.log(f"{name}: {change.from_status} → {change.to_status}", logging.WARNING)
                if change.to_status in {"down", "degraded"}:
                    self._ask_soon(name, "details", 0.0)
        await self._adopt([name for name in pending if name not in made])
        return [change for name, change in pending.items() if name in made]

    async def _adopt(self, names: Sequence[str]) -> None:
        """Take over the status that another hub settled first."""
        if names:
            for claimed in await projects.load_claimed(self._database, self.hub, names):
                self._standings[claimed.spec.name] = Standing(
                    status=claimed.status, since=claimed.status_since
                )

    async def _judge_the_network(self) -> None:
        outcome = self.suspicion.decide(len(self._roster.held))
        now = datetime.now(UTC)
        match outcome.change:
            case "suspected":
                await fleet_outage.record_unreachable(
                    self._database,
                    self.hub,
                    {name: self._host(name) for name in outcome.failing},
                    probed=outcome.probed,
                    since=outcome.since or now,
                )
            case "dispelled":
                await fleet_outage.record_reachable(self._database, self.hub, now)
            case "none":
                pass

    async def _note_deploys(self, reports: list[StatusReport], cycle: Cycle) -> None:
        """Keep what projects say about themselves, and tell of a version that is new."""
        newest = {report.project: report for report in reports}  # of several, the last word
        changed = [
            report
            for report in newest.values()
            if (project := self._roster.held.get(report.project)) is not None
            and deploys.differs(project.reported, report)
        ]
        if not changed:
            return
        try:
            told = [
                event for report in changed if (event := self._deploy_event(report)) is not None
            ]
            await projects.note_reports(self._database, changed)
            async with self._database.transaction() as connection:
                await incidents.look_again(connection, [event.project or "" for event in told])
                await events.append(connection, told)
        except DatabaseError:
            for report in changed:
                self._reports.put(report)
            raise
        self._roster.note_reports(changed)
        for event in told:
            cycle.log(event.message)

    def _deploy_event(self, report: StatusReport) -> NewEvent | None:
        return deploys.event(
            self.hub, self.name, self._roster.held[report.project].reported, report
        )

    def _host(self, name: str) -> str:
        project = self._roster.held.get(name)
        return urlsplit(project.spec.url).hostname or "" if project else ""

    def _forget_what_is_gone(self) -> None:
        held = self._roster.held
        self._standings = {name: s for name, s in self._standings.items() if name in held}
        self.suspicion.forget(frozenset(held))
