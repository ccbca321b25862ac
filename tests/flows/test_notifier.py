"""People are told: once, together, at the right time, and by one hub, whatever breaks."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from actions import approving
from config.contacts import Contact, NotificationSettings, QuietHours
from config.escalation import EscalationStep
from data import attempts, escalations, events, incidents, notices, silences
from data.attempts import Attempt, NewAttempt
from data.bus import Bus
from data.database import Database
from data.events import EventKind
from data.incidents import Problem, Solved
from data.notices import CHANNEL, NewNotice, Notice
from data.records import Severity
from data.silences import NewSilence
from flows.flow_runs.cycle import Cycle
from flows.notifying import notifier
from flows.notifying.notifier import Notifier
from tests.inbox import Inbox
from tests.programs import eventually

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
SETTINGS = NotificationSettings(timeout=5 * SECOND)
CYCLE = Cycle(agent="notifier", hub="h", started_at=NOON, name="notify")
ONCALL = (EscalationStep(notify="oncall"),)
CHAIN = (
    EscalationStep(notify="oncall", repeat=10 * MINUTE),
    EscalationStep(notify="lead", after=15 * MINUTE),
)


class Time:
    """The time of day as the test sets it."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


class Desk:
    """A notifier, its contacts' inboxes and its time, moved step by step."""

    def __init__(self, database: Database, oncall: Inbox, lead: Inbox) -> None:
        self.database = database
        self.oncall, self.lead = oncall, lead
        self.time = Time()
        self.contacts = {
            "oncall": Contact(urls=("${ONCALL_URL}",)),
            "lead": Contact(urls=(lead.url,)),
        }
        self.notifier = self.hub("h")

    def hub(self, name: str, **changed: Any) -> Notifier:
        return Notifier(
            name,
            self.database,
            changed.pop("contacts", self.contacts),
            changed.pop("settings", SETTINGS),
            wake=asyncio.Event(),
            now=self.time,
            environ={"ONCALL_URL": self.oncall.url},
            **changed,
        )

    async def look(self, *hubs: Notifier) -> None:
        """Let hubs look once and wait until what they send has arrived or failed."""
        for one in hubs or (self.notifier,):
            await one.look(CYCLE)
        for one in hubs or (self.notifier,):
            await one.stop()

    async def after(self, wait: timedelta) -> None:
        """Let time pass, and give news the time in which more would join it."""
        self.time.now += wait
        await self.look()
        self.time.now += SETTINGS.group_wait
        await self.look()

    async def open(
        self,
        project: str = "a",
        severity: Severity = "warning",
        chain: tuple[EscalationStep, ...] = CHAIN,
    ) -> int:
        problem = Problem(
            project=project,
            kind="down",
            severity=severity,
            title=f"{project} is down",
            at=self.time.now,
        )
        async with self.database.transaction() as connection:
            (opened,) = await incidents.open_or_update(connection, [problem])
            await escalations.start(
                connection,
                opened.id,
                chain,
                subject=problem.title,
                body="no rule covers it",
                severity=severity,
                at=self.time.now,
            )
        return opened.id

    async def resolve(self, *projects: str) -> None:
        solved = [
            Solved(project=project, kind="down", at=self.time.now, resolution="healthy again")
            for project in projects
        ]
        async with self.database.transaction() as connection:
            await incidents.resolve(connection, solved)

    async def events(self, kind: EventKind) -> list[str]:
        return [event.message for event in await events.latest(self.database, kind=kind)]

    async def recorded(self) -> list[Notice]:
        return list(reversed(await notices.list_newest(self.database)))


@pytest.fixture
async def desk(database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setattr(notifier, "STOP_WITHIN_S", 30.0)  # a test waits for what is under way
    async with Inbox() as oncall, Inbox() as lead:
        desk = Desk(database, oncall, lead)
        await desk.notifier.start()
        yield desk


async def test_the_first_step_is_told_after_the_group_wait(desk: Desk) -> None:
    await desk.open()
    await desk.look()
    assert desk.oncall.received == []
    await desk.after(timedelta())
    assert desk.oncall.titles == ["[warning] a is down"]
    assert "no rule covers it" in desk.oncall.received[0].message
    assert await desk.events("Escalated") == []  # who began the chain told of that
    assert await desk.events("NoticeSent") == ["oncall was told: [warning] a is down"]


async def test_nobody_is_told_twice_of_one_step(desk: Desk) -> None:
    await desk.open()
    for _ in range(3):
        await desk.after(MINUTE)
    assert len(desk.oncall.received) == 1


async def test_the_next_steps_follow_until_somebody_acknowledges(desk: Desk) -> None:
    incident = await desk.open()
    await desk.after(timedelta())
    await desk.after(10 * MINUTE)
    assert (len(desk.oncall.received), len(desk.lead.received)) == (2, 0)
    await desk.after(5 * MINUTE)
    assert (len(desk.oncall.received), len(desk.lead.received)) == (2, 1)
    due = f"incident {incident} is due to be told to lead, step 2 of 2"
    assert await desk.events("Escalated") == [due]
    await escalations.acknowledge(desk.database, incident, by="ann", reason=None)
    await desk.after(HOUR)
    assert (len(desk.oncall.received), len(desk.lead.received)) == (2, 1)


async def test_the_end_is_told_once_to_everybody_who_was_told(desk: Desk) -> None:
    incident = await desk.open()
    await desk.after(timedelta())
    await escalations.acknowledge(desk.database, incident, by="ann", reason=None)
    await desk.resolve("a")
    await desk.after(HOUR)
    await desk.after(HOUR)
    assert desk.oncall.titles == ["[warning] a is down", "[resolved] a is down after 5s"]
    assert desk.oncall.received[1].type == "success"
    assert desk.lead.received == []


async def test_a_resolved_incident_stops_its_chain(desk: Desk) -> None:
    incident = await desk.open()
    await desk.after(timedelta())
    await desk.resolve("a")
    await desk.after(HOUR)
    stopped = await escalations.find(desk.database, incident)
    assert stopped is not None
    assert stopped.stop_reason == "resolved"
    assert desk.lead.received == []


async def test_what_is_over_before_it_was_told_is_told_as_over_in_one_message(desk: Desk) -> None:
    await desk.open()
    await desk.look()
    desk.time.now += 2 * SECOND
    await desk.resolve("a")
    await desk.after(3 * SECOND)
    await desk.after(HOUR)
    assert desk.oncall.titles == ["[resolved] a is down after 2s"]


async def test_what_is_over_before_anybody_was_to_be_told_is_no_news(desk: Desk) -> None:
    await desk.open(chain=(EscalationStep(notify="oncall", after=MINUTE),))
    await desk.look()
    await desk.resolve("a")
    await desk.after(HOUR)
    assert await desk.recorded() == []


async def test_fifty_incidents_are_one_message(desk: Desk) -> None:
    for number in range(50):
        await desk.open(f"project-{number}", chain=ONCALL)
    await desk.after(timedelta())
    assert desk.oncall.titles == ["[warning] 50 incidents: 50 down"]
    await desk.resolve(*(f"project-{number}" for number in range(50)))
    await desk.after(HOUR)
    assert desk.oncall.titles[1:] == ["50 resolved"]


async def test_more_news_waits_for_the_interval_but_not_what_is_critical(desk: Desk) -> None:
    await desk.open("a", chain=ONCALL)
    await desk.after(timedelta())
    await desk.open("b", chain=ONCALL)
    await desk.after(10 * SECOND)
    assert len(desk.oncall.received) == 1
    await desk.open("c", "critical", chain=ONCALL)
    await desk.after(timedelta())
    assert desk.oncall.titles[1:] == ["[critical] 2 incidents: 2 down"]


async def test_quiet_hours_end_with_one_digest(desk: Desk) -> None:
    quiet = QuietHours(from_="22:00", until="07:00")
    desk.contacts["oncall"] = Contact(urls=(desk.oncall.url,), quiet_hours=quiet)
    desk.time.now = NOON + 11 * HOUR
    await desk.open("a", chain=ONCALL)
    await desk.open("b", chain=ONCALL)
    await desk.open("c", "critical", chain=ONCALL)
    await desk.after(MINUTE)
    assert desk.oncall.titles == ["[critical] c is down"]
    await desk.resolve("a", "c")
    await desk.after(HOUR)
    assert len(desk.oncall.received) == 2
    assert desk.oncall.titles[1].startswith("[resolved] c is down")
    await desk.after(7 * HOUR)
    assert desk.oncall.titles[2:] == ["[warning] 1 incident: 1 down; 1 resolved"]


async def test_what_a_service_refuses_is_tried_again_until_it_takes_it(desk: Desk) -> None:
    desk.oncall.mood = "refuses"
    await desk.open(chain=ONCALL)
    await desk.after(timedelta())
    (waiting,) = await desk.recorded()
    assert waiting.attempts == 1
    assert "500" in (waiting.last_error or "")
    desk.oncall.mood = "takes"
    await desk.after(15 * SECOND)
    assert desk.oncall.titles == ["[warning] a is down"]


async def test_what_is_refused_again_and_again_is_given_up_and_the_next_is_told(
    desk: Desk,
) -> None:
    desk.oncall.mood = "refuses"
    await desk.open()
    for _ in range(SETTINGS.attempts):
        await desk.after(2 * MINUTE)
    (failed,) = await desk.events("NoticeFailed")
    assert failed.startswith("oncall could not be told and is given up: [warning] a is down: ")
    assert "127.0.0.1" not in failed
    await desk.after(timedelta())
    assert desk.lead.titles == ["[warning] a is down"]
    assert desk.oncall.requests == SETTINGS.attempts


async def test_a_contact_with_several_addresses_gets_each_message_once_at_each(
    desk: Desk,
) -> None:
    desk.contacts["oncall"] = Contact(urls=(desk.oncall.url, desk.lead.url))
    desk.oncall.mood = "refuses"
    await desk.open(chain=ONCALL)
    await desk.after(timedelta())
    desk.oncall.mood = "takes"
    await desk.after(MINUTE)
    assert (len(desk.oncall.received), len(desk.lead.received)) == (1, 1)


async def test_a_service_that_hangs_holds_back_nobody_else(desk: Desk) -> None:
    desk.oncall.mood = "hangs"
    await desk.open(chain=(*ONCALL, EscalationStep(notify="lead")))
    await desk.look()
    desk.time.now += 5 * SECOND
    await desk.notifier.look(CYCLE)
    await eventually(_arrived(desk.lead))
    await eventually(lambda: desk.events("NoticeSent"))
    assert [one.leased for one in await notices.waiting(desk.database)] == [True]
    desk.oncall.hang_up()
    await desk.notifier.stop()
    assert [one.leased for one in await notices.waiting(desk.database)] == [False]


def _arrived(inbox: Inbox) -> Callable[[], Any]:
    async def look() -> bool:
        return bool(inbox.received)

    return look


async def test_of_several_hubs_one_sends(desk: Desk) -> None:
    await desk.open(chain=ONCALL)
    await desk.look()
    desk.time.now += 5 * SECOND
    hubs = [desk.hub(f"h{number}") for number in range(4)]
    await asyncio.gather(*(hub.look(CYCLE) for hub in hubs))
    await desk.look(*hubs)
    assert desk.oncall.titles == ["[warning] a is down"]
    assert len(await desk.recorded()) == len(await desk.events("NoticeSent")) == 1


async def test_what_a_killed_hub_was_sending_another_sends(desk: Desk) -> None:
    await desk.open(chain=ONCALL)
    await desk.look()
    (one,) = await desk.recorded()
    await notices.claim(desk.database, [one.id], uuid4(), hub="dead", lease=timedelta())
    await desk.after(5 * SECOND)
    assert desk.oncall.titles == ["[warning] a is down"]


async def test_what_has_no_contact_is_told_in_the_log_and_the_events(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    incident = await desk.open(chain=())
    await desk.look()
    assert await desk.events("NoticeFailed") == [
        "nobody is told, no contact is named for it: a is down"
    ]
    assert "nobody is told, no contact is named for it: a is down" in caplog.text
    (kept,) = await desk.recorded()
    assert (kept.incident_id, kept.contact) == (incident, None)
    await desk.after(HOUR)
    assert len(await desk.recorded()) == 1


async def test_an_unknown_contact_is_told_as_such_and_the_next_is_not_waited_for(
    desk: Desk,
) -> None:
    chain = (EscalationStep(notify="ghost"), EscalationStep(notify="lead", after=HOUR))
    await desk.open(chain=chain)
    await desk.after(timedelta())
    await desk.after(timedelta())
    assert await desk.events("NoticeFailed") == [
        "nobody is told, there is no contact ghost in the hub file: a is down"
    ]
    assert desk.lead.titles == ["[warning] a is down"]


async def test_a_question_is_sent_with_its_command(desk: Desk) -> None:
    question = NewNotice(
        contact="oncall",
        purpose="approval",
        severity="warning",
        subject="restart a?",
        body="Decide:\n  opslore approvals approve 1234",
        due_at=desk.time.now,
    )
    async with desk.database.transaction() as connection:
        await notices.add(connection, [question])
    await desk.after(timedelta())
    assert desk.oncall.titles == ["[approval] restart a?"]
    assert "  opslore approvals approve 1234" in desk.oncall.received[0].message.splitlines()


async def test_a_repeat_says_what_is_so_now_and_how_old_it_is(desk: Desk) -> None:
    incident = await desk.open()
    await desk.after(timedelta())
    async with desk.database.transaction() as connection:
        await escalations.refresh(
            connection, incident, subject="a is down", body="every attempt failed"
        )
    await desk.after(10 * MINUTE)
    first, again = (one.message.splitlines() for one in desk.oncall.received)
    assert first == ["no rule covers it", f"Incident {incident}, since 12:00:00 UTC, for 5s."]
    assert again == [
        "every attempt failed",
        f"Incident {incident}, since 12:00:00 UTC, for 10m10s.",
    ]
    assert (await desk.recorded())[-1].body == "every attempt failed"


async def test_a_chain_that_is_withdrawn_tells_nobody_any_more(desk: Desk) -> None:
    incident = await desk.open()
    await desk.look()
    async with desk.database.transaction() as connection:
        await escalations.withdraw(connection, incident, by="h", at=desk.time.now, why="silenced")
    await desk.after(HOUR)
    await desk.resolve("a")
    await desk.after(HOUR)
    assert desk.oncall.received == desk.lead.received == []
    assert [one.last_error for one in await desk.recorded()] == ["silenced"]


async def test_a_silence_holds_back_the_next_steps_and_repeats(desk: Desk) -> None:
    await desk.open()
    await desk.after(timedelta())
    number = await _silence(desk.database, project="a")
    await desk.after(HOUR)
    assert (len(desk.oncall.received), len(desk.lead.received)) == (1, 0)
    assert await desk.notifier.look(CYCLE) is None
    await silences.end(desk.database, number, by="ann")
    await desk.after(timedelta())
    assert (len(desk.oncall.received), len(desk.lead.received)) == (2, 1)


async def _silence(database: Database, **of: str) -> int:
    now = datetime.now(UTC)
    new = NewSilence(
        starts_at=now - HOUR, ends_at=now + HOUR, reason="known", created_by="ann", **of
    )
    return await silences.add(database, new)


async def test_a_chain_of_unknown_contacts_becomes_the_default_chain(desk: Desk) -> None:
    hub = desk.hub("h", default_chain=(EscalationStep(notify="lead"), *ONCALL))
    await desk.open(chain=(EscalationStep(notify="ghost", after=HOUR),))
    await desk.look(hub)
    desk.time.now += 2 * HOUR
    await desk.look(hub)
    desk.time.now += MINUTE
    await desk.look(hub)
    assert desk.lead.titles == desk.oncall.titles == ["[warning] a is down"]
    assert len(await desk.recorded()) == 2
    (told,) = await desk.events("NoticeFailed")
    assert told.endswith("is told as healing.escalate says: the hub file has no contact ghost")


async def test_a_chain_with_a_known_contact_stays_as_it_is(desk: Desk) -> None:
    hub = desk.hub("h", default_chain=ONCALL)
    await desk.open(chain=(EscalationStep(notify="ghost"), EscalationStep(notify="lead")))
    await desk.look(hub)
    assert [one.contact for one in await desk.recorded()] == ["ghost", "lead"]


async def test_each_incident_of_a_group_has_the_message_in_its_story(desk: Desk) -> None:
    numbers = [await desk.open(project, chain=ONCALL) for project in "abc"]
    await desk.after(timedelta())
    assert len(desk.oncall.received) == 1
    for number in numbers:
        told = [one.kind for one in await events.of_incident(desk.database, number)]
        assert told == ["NoticeSent"]


async def _asked(desk: Desk, *contacts: str | None) -> Attempt:
    """Ask contacts, one a quarter of an hour, about an attempt that waits for approval."""
    new = NewAttempt(
        id=uuid4(),
        incident_id=None,
        project="a",
        action="restart",
        risk="disruptive",
        purpose="heal",
        state="pending",
        requested_by="h",
        reason="down",
        expires_after=HOUR,
    )
    async with desk.database.transaction() as connection:
        attempt = await attempts.request(connection, new)
        assert attempt is not None
        questions = [
            NewNotice(
                contact=contact,
                purpose="approval",
                severity="warning",
                subject="Approve restart of a?",
                attempt_id=attempt.id,
                due_at=desk.time.now + number * 15 * MINUTE,
            )
            for number, contact in enumerate(contacts)
        ]
        await notices.add(connection, questions)
    return attempt


async def test_a_question_goes_up_the_chain_while_nobody_decides(desk: Desk) -> None:
    await _asked(desk, "oncall", "lead")
    await desk.after(timedelta())
    await desk.after(10 * MINUTE)
    assert (len(desk.oncall.received), len(desk.lead.received)) == (1, 0)
    await desk.after(5 * MINUTE)
    assert desk.lead.titles == ["[approval] Approve restart of a?"]


async def test_a_question_that_is_answered_goes_up_no_chain(desk: Desk) -> None:
    asked = await _asked(desk, "oncall", "lead", "ghost")
    await desk.after(timedelta())
    await approving.decide(desk.database, asked.id, approve=False, by="ann", reason="")
    await desk.look()
    await desk.after(HOUR)
    assert desk.lead.received == []
    assert await desk.events("NoticeFailed") == []


async def test_a_question_to_an_unknown_contact_goes_to_the_next_at_once(desk: Desk) -> None:
    await _asked(desk, "ghost", "lead")
    await desk.look()
    await desk.after(timedelta())
    assert desk.lead.titles == ["[approval] Approve restart of a?"]


async def test_a_question_that_is_given_up_goes_to_the_next_at_once(desk: Desk) -> None:
    desk.oncall.mood = "refuses"
    await _asked(desk, "oncall", "lead")
    hub = desk.hub("h", settings=SETTINGS.model_copy(update={"attempts": 1}))
    for _ in range(3):
        await desk.look(hub)
        desk.time.now += SETTINGS.group_wait
    assert desk.lead.titles == ["[approval] Approve restart of a?"]


async def test_a_question_that_reaches_nobody_goes_to_the_default_chain(desk: Desk) -> None:
    await _asked(desk, "ghost")
    hub = desk.hub("h", default_chain=(EscalationStep(notify="lead"),))
    for _ in range(3):
        await desk.look(hub)
        desk.time.now += SETTINGS.group_wait
    assert desk.lead.titles == ["[approval] Approve restart of a?"]


@pytest.mark.parametrize("contact", ["ghost", None])
async def test_a_question_that_nobody_can_be_asked_is_an_event(
    desk: Desk, contact: str | None
) -> None:
    asked = await _asked(desk, contact)
    await desk.look()
    _, told = await desk.events("NoticeFailed")
    assert told == (
        "nobody could be asked, and nobody is left to ask: Approve restart of a?"
        f" (opslore approvals list shows attempt {str(asked.id)[:8]})"
    )


async def test_no_secret_reaches_the_record(desk: Desk) -> None:
    desk.oncall.mood = "refuses"
    secret = desk.oncall.url.replace("json://", "json://ann:hunter2@")
    desk.contacts["oncall"] = Contact(urls=(secret,))
    await desk.open(chain=ONCALL)
    await desk.after(timedelta())
    everything = str(await desk.recorded()) + str(await events.latest(desk.database))
    assert "hunter2" not in everything


async def test_it_wakes_as_soon_as_there_is_something_to_tell(
    desk: Desk, database_url: str
) -> None:
    """With the real clock and the real bus: the whole agent."""
    settings = SETTINGS.model_copy(update={"group_wait": 0.1 * SECOND})
    async with Bus(database_url, CHANNEL) as bus:
        agent = Notifier(
            "h",
            desk.database,
            desk.contacts,
            settings,
            wake=bus.listener(CHANNEL),
            environ={"ONCALL_URL": desk.oncall.url},
        )
        await agent.start()
        working = asyncio.create_task(agent.handle(CYCLE))
        await asyncio.sleep(0.3)
        desk.time.now = datetime.now(UTC)
        began = asyncio.get_running_loop().time()
        await desk.open(chain=ONCALL)
        await eventually(_arrived(desk.oncall))
        assert asyncio.get_running_loop().time() - began < 5
        await eventually(lambda: desk.events("NoticeSent"))
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
        await agent.stop()
