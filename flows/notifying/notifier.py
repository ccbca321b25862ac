"""The agent that tells people: it takes chains to their next step and sends what waits."""

import asyncio
import logging
import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

from actions.notification.delivery import Courier, load_services
from actions.notification.grouping import plan
from actions.notification.message import LinkFor, no_link
from actions.notification.templating import Templates
from config.contacts import Contact, NotificationSettings
from config.escalation import EscalationStep
from data import escalations, notices
from data.database import Database
from data.notices import Waiting
from flows.agent import Agent
from flows.flow_runs.cycle import Cycle
from flows.notifying.dispatch import Dispatch
from flows.notifying.escalating import AGENT, Escalating
from flows.notifying.notice_events import NoticeEvents
from flows.notifying.sending import RETRY_FIRST, Sender

logger = logging.getLogger(__name__)

CYCLE_S: Final = 60.0
LOOK_ANYWAY_S: Final = 10.0
_LEASE_BEYOND_TIMEOUT: Final = timedelta(seconds=15)
STOP_WITHIN_S: Final = 3.0
_SHORTEST_WAIT_S: Final = 0.01


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Notifier(Agent):
    """Whenever something is due or new, in this order:

    1. Take chains to their next step; note the end of incidents.
    2. Leave out what nobody is there for, and say so.
    3. Send what is due, one message a contact, each in the background: a service that hangs
       holds back nobody else.

    `wake` is set when there are new notices. `link_for` makes the links of questions.
    `default_chain` is for chains that name nobody who is among the contacts. `now` tells the time
    that steps, quiet hours and intervals go by; claims go by the clock of the database.
    """

    name = AGENT

    def __init__(
        self,
        hub: str,
        database: Database,
        contacts: Mapping[str, Contact],
        settings: NotificationSettings,
        *,
        wake: asyncio.Event,
        link_for: LinkFor = no_link,
        default_chain: Sequence[EscalationStep] = (),
        now: Callable[[], datetime] = _utc_now,
        retry_first: timedelta = RETRY_FIRST,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        super().__init__(hub)
        self._database = database
        self._contacts = contacts
        self._settings = settings
        self._wake = wake
        self._now = now
        self._templates = Templates.of(settings)
        self._escalating = Escalating(database, hub, contacts, default_chain)
        self._dispatch = Dispatch(
            database,
            NoticeEvents(hub=hub),
            Sender(
                courier=Courier(settings.timeout, environ),
                templates=self._templates,
                attempts=settings.attempts,
                link_for=link_for,
                retry_first=retry_first,
            ),
            lease=settings.timeout + _LEASE_BEYOND_TIMEOUT,
            fallback=self._escalating.fallback,
            now=now,
            on_change=wake.set,
        )

    async def start(self) -> None:
        for fault in self._templates.faults():
            logger.warning("%s", fault)
        if self._contacts:
            await asyncio.to_thread(load_services)

    async def stop(self) -> None:
        await self._dispatch.drain(STOP_WITHIN_S)

    def cycle_name(self, now: datetime) -> str:
        return f"notify {now:%H:%M:%S}"

    async def handle(self, cycle: Cycle) -> None:
        """Look whenever it is time, for a minute."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + CYCLE_S
        before = self._dispatch.messages
        while (left_s := ends_at - loop.time()) > 0:
            look_at = await self.look(cycle)
            self.handled = self._dispatch.messages
            self.beat()
            await self._wait(look_at, left_s)
        cycle.summary = f"{self._dispatch.messages - before} messages sent"

    async def look(self, cycle: Cycle) -> datetime | None:
        """Do what is due now and return when there is more to do, None when nothing waits."""
        now = self._now()
        if made := await self._escalating.look(now):
            cycle.log(f"{made} new notices")
        known, unknown = self._by_contact(await notices.waiting(self._database))
        await self._dispatch.tell_nobody([one for one in unknown if one.due_at <= now])
        sent_at = await notices.last_sent(self._database, list(known))
        looks = [
            await self._look_at(name, waiting, sent_at.get(name), now)
            for name, waiting in known.items()
        ]
        looks += [one.due_at for one in unknown if one.due_at > now]
        looks.append(await escalations.next_at(self._database))
        return min((look for look in looks if look is not None), default=None)

    async def _look_at(
        self, name: str, waiting: list[Waiting], last_sent_at: datetime | None, now: datetime
    ) -> datetime | None:
        contact = self._contacts[name]
        planned = plan(waiting, contact, self._settings, last_sent_at=last_sent_at, now=now)
        await self._dispatch.leave_out(planned.leave_out)
        await self._dispatch.give_up(name, [one for one in waiting if one.id in planned.give_up])
        if planned.send:
            await self._dispatch.send(name, contact, planned.send)
        return planned.look_at

    def _by_contact(self, every: list[Waiting]) -> tuple[dict[str, list[Waiting]], list[Waiting]]:
        """Return what waits for each contact, and what has none."""
        known: dict[str, list[Waiting]] = defaultdict(list)
        unknown: list[Waiting] = []
        for one in every:
            if one.contact is not None and one.contact in self._contacts:
                known[one.contact].append(one)
            else:
                unknown.append(one)
        return known, unknown

    async def _wait(self, look_at: datetime | None, left_s: float) -> None:
        """Wait for news, for `look_at` or for the end of the cycle, whichever is first."""
        wait_s = min(LOOK_ANYWAY_S, left_s)
        if look_at is not None:
            wait_s = min(wait_s, (look_at - self._now()).total_seconds())
        with suppress(TimeoutError):
            async with asyncio.timeout(max(wait_s, _SHORTEST_WAIT_S)):
                await self._wake.wait()
        self._wake.clear()
