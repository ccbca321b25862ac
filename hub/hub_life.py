"""The life of a hub: it takes a name, works, tells that it came and went."""

import asyncio
import logging
import resource
from collections.abc import Iterable
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from functools import partial

from actions.carrier import Carrier
from config.errors import ConfigError
from data import events, migrations, notices, partitions
from data.bus import Bus
from data.database import Database, DatabaseError, DatabaseUnavailable
from data.events import EventKind, NewEvent
from data.first_contact import first_contact
from data.hub_name import HubName
from data.notices import NewNotice
from flows.flow_runs.runs import FlowRuns
from flows.polling.payloads import redaction
from hub.approval_access import approval_links
from hub.approval_pages import ApprovalPages
from hub.assembly import CHANNELS, HubParts, HubPlan, assemble
from hub.lasting_key import lasting_key
from hub.self_report import SelfReport
from rules.live_rules import LiveRules

logger = logging.getLogger(__name__)

WAIT_FOR_DATABASE_S = 60.0
ASK_AGAIN_S = 1.0


async def run_hub(plan: HubPlan, stop: asyncio.Event) -> None:
    """Watch the projects until `stop` is set; then release them and leave.

    Raises:
        DatabaseUnavailable: Postgres did not answer within a minute.
        MigrationError: the database's schema is not one this program knows.
    """
    allow_many_sockets()
    redaction.use_key(lasting_key(plan.settings.home / "redaction.key"))
    async with AsyncExitStack() as stack:
        if not await _postgres_answers(plan.database_url, stop):
            return
        database = await stack.enter_async_context(Database(plan.database_url))
        await migrations.migrate(database)
        await partitions.create_now(database)
        held = await stack.enter_async_context(HubName(plan.database_url, plan.name))
        bus = await stack.enter_async_context(Bus(plan.database_url, *CHANNELS))
        runs = FlowRuns(plan.prefect_api_url, held.name)
        await runs.start()
        stack.push_async_callback(runs.stop)
        links = approval_links(plan.settings, plan.hub)
        carrier = Carrier(add_notice=partial(_keep_notice, database))
        rules = _rules_in_force(plan)
        parts = assemble(
            plan,
            held.name,
            database=database,
            bus=bus,
            runs=runs,
            rules=rules,
            carrier=await stack.enter_async_context(carrier),
            links=links,
        )
        parts.vitals.rules = rules
        pages = ApprovalPages(database, links)
        await stack.enter_async_context(SelfReport(plan.hub.listen, held.name, parts.vitals, pages))
        await _tell(database, held.name, "HubStarted")
        await _work_until((stop, held.lost), parts, runs)
        await _tell(database, held.name, "HubStopped")


def allow_many_sockets() -> None:
    """Raise the soft limit of open files to the hard one: each project needs up to two sockets."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _postgres_answers(url: str, stop: asyncio.Event) -> bool:
    """Wait until Postgres answers, and return False when `stop` was set before it did."""
    deadline = asyncio.get_running_loop().time() + WAIT_FOR_DATABASE_S
    while not stop.is_set():
        try:
            await first_contact(url)
            return True
        except DatabaseUnavailable as error:
            if asyncio.get_running_loop().time() > deadline:
                raise
            logger.warning("%s; it is asked again", error)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), ASK_AGAIN_S)
    return False


async def _work_until(ends: Iterable[asyncio.Event], parts: HubParts, runs: FlowRuns) -> None:
    """Let the crew work until one of the events is set."""
    working = asyncio.create_task(parts.crew.run(runs), name="crew")
    ending = [asyncio.create_task(event.wait(), name="end") for event in ends]
    await asyncio.wait({working, *ending}, return_when=asyncio.FIRST_COMPLETED)
    for task in (*ending, working):
        task.cancel()
    with suppress(asyncio.CancelledError):
        await working


def _rules_in_force(plan: HubPlan) -> LiveRules:
    """Return the rules of the files; where these are broken, watching goes on without rules."""
    rules = LiveRules(plan.settings.rule_folders, contacts=plan.hub.contacts)
    try:
        rules.load()
    except ConfigError as error:
        for fault in error.faults:
            logger.error("no rule is in force: %s", fault)
    else:
        for fault in rules.faults:
            logger.error("in force, but nobody is told: %s", fault)
    return rules


async def _keep_notice(database: Database, notice: NewNotice) -> None:
    async with database.transaction() as connection:
        await notices.add(connection, [notice])


async def _tell(database: Database, hub: str, kind: EventKind) -> None:
    verb = "started" if kind == "HubStarted" else "stopped"
    with suppress(DatabaseError):
        await events.record(
            database,
            NewEvent(
                occurred_at=datetime.now(UTC),
                hub=hub,
                agent="hub",
                kind=kind,
                severity="info",
                message=f"hub {hub} {verb}",
            ),
        )
