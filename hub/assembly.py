"""The one place where the parts of a hub are put together."""

from dataclasses import dataclass

from actions.approval_links import ApprovalLinks
from actions.carrier import Carrier
from config.hub_file import HubSettings
from config.settings import Settings
from data import events, notices
from data.bus import Bus
from data.database import Database
from data.history import Archive
from data.records import HealthSample, MetricSample, StatusReport
from flows.agent import Agent
from flows.analysis.analyser import MetricsAnalyser
from flows.crew import Crew
from flows.feed import Feed
from flows.flow_runs.runs import FlowRuns
from flows.healing.execution import Execution
from flows.healing.fleet import Fleet
from flows.healing.means import Means
from flows.healing.responder import Responder
from flows.healing.rules_keeper import RulesKeeper
from flows.health.monitor import HealthMonitor
from flows.notifying.notifier import Notifier
from flows.polling.poller import Poller
from flows.polling.roster import Roster
from flows.registry.registrar import Registrar
from flows.upkeep.anchoring import Auditor
from flows.upkeep.maintainer import Maintainer
from flows.upkeep.vitals import VitalsRecorder
from rules.live_rules import LiveRules

REGISTRY_CHANNEL = "opslore_projects"
CHANNELS = (REGISTRY_CHANNEL, events.CHANNEL, notices.CHANNEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class HubPlan:
    """Everything a hub must be told. `name` is wanted, not promised: see `data.hub_name`."""

    settings: Settings
    hub: HubSettings
    database_url: str
    prefect_api_url: str | None
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HubParts:
    """What of an assembled hub the program itself needs."""

    crew: Crew
    vitals: VitalsRecorder


def assemble(
    plan: HubPlan,
    name: str,
    *,
    database: Database,
    bus: Bus,
    runs: FlowRuns,
    rules: LiveRules,
    carrier: Carrier,
    links: ApprovalLinks,
) -> HubParts:
    """Connect the agents: the poller feeds the monitor and the analyser, which may ask it back.

    What these two record is what the responder works on, whichever hub recorded it.
    """
    health, metrics, reports = Feed[HealthSample](), Feed[MetricSample](), Feed[StatusReport]()
    roster = Roster(database, name, plan.hub.polling.lease)
    poller = Poller(
        name,
        database,
        plan.hub.polling,
        roster,
        bus.listener(REGISTRY_CHANNEL),
        health=health,
        metrics=metrics,
        reports=reports,
    )
    monitor = HealthMonitor(
        name,
        database,
        plan.hub,
        roster,
        health=health,
        reports=reports,
        ask_soon=poller.ask_soon,
    )
    analyser = MetricsAnalyser(
        name, database, plan.hub, roster, metrics=metrics, ask_soon=poller.ask_soon
    )
    registrar = Registrar(name, database, plan.hub, plan.settings.projects_file)
    archive = Archive(plan.settings.home / "history", plan.database_url)
    maintainer = Maintainer(name, database, plan.hub.retention, archive, runs)
    vitals = VitalsRecorder(
        name,
        database,
        poller=poller,
        monitor=monitor,
        registrar=registrar,
        runs=runs,
        prefect_wanted=plan.prefect_api_url is not None,
    )
    auditor = Auditor(
        name, database, plan.hub.audit, plan.settings.home, told=plan.hub.healing.escalate
    )
    notifier = Notifier(
        name,
        database,
        plan.hub.contacts,
        plan.hub.notification,
        wake=bus.listener(notices.CHANNEL),
        link_for=links.link_for,
        default_chain=plan.hub.healing.escalate,
    )
    healing = _healers(plan, name, database=database, bus=bus, rules=rules, carrier=carrier)
    crew = Crew(
        database,
        name,
        [auditor, maintainer, registrar, vitals, notifier, *healing, analyser, monitor, poller],
        heartbeat_s=plan.hub.polling.heartbeat.total_seconds(),
    )
    return HubParts(crew=crew, vitals=vitals)


def _healers(
    plan: HubPlan,
    name: str,
    *,
    database: Database,
    bus: Bus,
    rules: LiveRules,
    carrier: Carrier,
) -> list[Agent]:
    """Return who decides and acts: nobody, where healing is switched off."""
    settings = plan.hub.healing
    if not settings.enabled:
        return []
    means = Means(
        hub=name,
        database=database,
        fleet=Fleet(),
        engine=lambda: rules.engine,
        execution=Execution(name, database, carrier, settings),
        settings=settings,
    )
    responder = Responder(
        name,
        means,
        cycle=plan.hub.polling.cycle,
        events=bus.listener(events.CHANNEL),
        registry=bus.listener(REGISTRY_CHANNEL),
    )
    keeper = RulesKeeper(
        name, database, rules, plan.settings.rule_folders, cycle=plan.hub.polling.cycle
    )
    return [keeper, responder]
