"""A hub heals real services through a real platform: what it does, and what it leaves alone."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import yaml

from actions import approving
from config.project_spec import ProjectSpec
from data import (
    attempts,
    brake,
    escalations,
    events,
    incidents,
    rule_decisions,
    silences,
    system_health,
)
from data.attempts import Attempt
from data.silences import NewSilence
from data.states import AttemptState
from tests.hosting import Hosting, Received
from tests.hub.watched import QUICK, Watched
from tests.programs import eventually

HUB_FILE = """
listen: {port: 0}
polling: {cycle: 2s, lease: 3s, heartbeat: 500ms}
healing:
  grace: 500ms
  retry: {max_attempts: 3, wait_initial: 200ms, wait_max: 1s}
  verify_within: 1s
  cooldown: 1s
  blast_radius: {projects: 50, percent: 100}
"""
RULES = """
rules:
  - name: down-restart
    when: {kind: down}
    then: {action: restart, verify: {within: 8s}}
    examples: [{given: {kind: down}, expect: run}]
"""
HOPELESS = RULES.replace("8s", "1s")
SILENCEABLE = (
    RULES
    + """
  - name: silenced
    when: {kind: any}
    with: [{fact: silence, same: [project], within: 1m}]
    then: {suppress: somebody asked for silence}
    examples:
      - {given: {kind: down}, facts: {silences: [{age: 0s}]}, expect: suppress}
"""
)


class Healed:
    """Services behind a platform that a hub may act through."""

    def __init__(self, watched: Watched, hosting: Hosting) -> None:
        self.watched = watched
        self.hosting = hosting
        self.database = watched.database

    async def serve(self, *names: str, **spec: object) -> None:
        """Start services that declare restart, pause and resume, with what else is said of them."""
        (self.watched.folder / "hub.yaml").write_text(HUB_FILE)
        await self.watched.serve(*names)
        self.describe(dict.fromkeys(names, spec))

    def describe(self, specs: dict[str, dict[str, object]]) -> None:
        listed = [
            {
                "name": service.name,
                "url": service.url,
                "autonomy": "auto",
                "actions": self.hosting.actions(
                    service.name, "restart", "pause", "resume", timeout="3s"
                ),
                **specs.get(service.name, {}),
            }
            for service in self.watched.services
        ]
        assert all(ProjectSpec.model_validate({**QUICK, **one}) for one in listed)
        self.watched.write(yaml.safe_dump({"defaults": QUICK, "projects": listed}))

    async def restart(self, received: Received) -> None:
        """Do what a platform does: the service answers again."""
        if received.action == "restart":
            for service in self.watched.services:
                if service.name == received.project:
                    await service.start()

    async def crash(self, name: str) -> None:
        for service in self.watched.services:
            if service.name == name:
                await service.crash()

    async def attempt(self, state: AttemptState, within_s: float = 15) -> Attempt:
        async def look() -> list[Attempt]:
            return await attempts.list_newest(self.database, state=state)

        return (await eventually(look, within_s=within_s))[0]

    async def attempts(self) -> list[Attempt]:
        return await attempts.list_newest(self.database)


@pytest.fixture
async def healed(watched: Watched) -> AsyncIterator[Healed]:
    hosting = Hosting()
    await hosting.start()
    watched.use_rules(RULES)
    yield Healed(watched, hosting)
    await hosting.stop()


async def test_a_crash_is_healed_and_verified_with_one_request(healed: Healed) -> None:
    healed.hosting.effect = healed.restart
    await healed.serve("a", "b")
    await healed.watched.hub("h")
    await healed.watched.all_healthy()
    await healed.crash("a")
    attempt = await healed.attempt("completed")
    (effect,) = healed.hosting.effects
    assert (effect.project, effect.action, effect.key) == ("a", "restart", str(attempt.id))
    incident = await healed.watched.incident(id=attempt.incident_id, state="resolved")
    kinds = [event.kind for event in await events.of_incident(healed.database, incident.id)]
    assert kinds == [
        "ProjectDown",
        "IncidentOpened",
        "ActionRequested",
        "ActionExecuted",
        "ProjectRecovered",
        "IncidentResolved",
        "ActionVerified",
    ]


async def test_every_decision_says_which_rules_made_it(healed: Healed) -> None:
    healed.hosting.effect = healed.restart
    await healed.serve("a")
    await healed.watched.hub("h")
    await healed.watched.all_healthy()
    await healed.crash("a")
    attempt = await healed.attempt("completed")
    (decision,) = await rule_decisions.of_incident(healed.database, attempt.incident_id or 0)
    assert (decision.step, decision.reason, decision.rule) == ("run", "matched", "down-restart")
    kept = await healed.database.fetch_one(
        "SELECT files FROM rule_versions WHERE version = %(version)s",
        {"version": decision.rules_version},
    )
    assert kept is not None
    assert RULES in kept["files"].values()
    assert attempt.rules_version == decision.rules_version


async def test_an_action_that_never_helps_is_tried_three_times_by_two_hubs(
    healed: Healed,
) -> None:
    healed.watched.use_rules(HOPELESS)
    await healed.serve("a", "b")
    await healed.watched.hub("h")
    await healed.watched.hub("h")
    await healed.watched.all_healthy()
    await healed.crash("a")
    await healed.watched.event("Escalated", "a", within_s=30)
    await asyncio.sleep(3)
    assert len(healed.hosting.effects_on("a", "restart")) == 3
    tried = sorted(await healed.attempts(), key=lambda attempt: attempt.number)
    assert [(one.number, one.state) for one in tried] == [(n, "failed") for n in (1, 2, 3)]
    waits = [
        (later.executing_at - earlier.finished_at).total_seconds()
        for earlier, later in pairwise(tried)
        if later.executing_at and earlier.finished_at
    ]
    assert waits[0] >= 0.2
    assert waits[1] >= 0.4
    escalated = await events.after(healed.database, 0, kind="Escalated")
    assert len(escalated) == 1
    assert "every attempt that its rule allows has failed" in escalated[0].message


async def test_a_breaker_that_is_open_holds_the_action_in_the_next_incident(
    healed: Healed,
) -> None:
    healed.watched.use_rules(HOPELESS)
    await healed.serve("a")
    await healed.watched.hub("h")
    await healed.watched.all_healthy()
    await healed.crash("a")
    await healed.watched.event("Escalated", "a", within_s=30)
    await healed.watched.services[0].start()
    await healed.watched.event("ProjectRecovered", "a")
    await healed.crash("a")
    held = await healed.watched.event("ActionHeld", "a")
    assert "circuit breaker is open" in held.message
    assert len(healed.hosting.effects) == 3


async def test_what_must_be_approved_waits_and_then_runs(healed: Healed) -> None:
    healed.hosting.effect = healed.restart
    await healed.serve("a", autonomy="approve")
    await healed.watched.hub("h")
    await healed.watched.all_healthy()
    await healed.crash("a")
    waiting = await healed.attempt("pending")
    await asyncio.sleep(0.5)
    assert healed.hosting.effects == []
    await approving.decide(healed.database, waiting.id, approve=True, by="ann", reason="yes")
    approved = await healed.attempt("completed")
    assert (approved.id, approved.decided_by) == (waiting.id, "ann")
    assert len(healed.hosting.effects) == 1


async def test_what_is_rejected_does_not_run_and_a_person_has_it(healed: Healed) -> None:
    await healed.serve("a", autonomy="approve")
    await healed.watched.hub("h")
    await healed.watched.all_healthy()
    await healed.crash("a")
    waiting = await healed.attempt("pending")
    await approving.decide(healed.database, waiting.id, approve=False, by="ann", reason="no")
    escalated = await healed.watched.event("Escalated", "a")
    assert "the action was rejected" in escalated.message
    assert healed.hosting.effects == []


async def test_a_request_that_is_not_needed_any_more_runs_out(healed: Healed) -> None:
    await healed.serve("a", autonomy="approve")
    await healed.watched.hub("h")
    await healed.watched.all_healthy()
    await healed.crash("a")
    await healed.attempt("pending")
    await healed.watched.services[0].start()
    ended = await healed.attempt("expired")
    assert ended.outcome == "the incident is over"


@pytest.mark.parametrize(("autonomy", "suggested"), [("observe", 0), ("suggest", 1)])
async def test_a_project_that_is_not_to_be_touched_is_not(
    healed: Healed, autonomy: str, suggested: int
) -> None:
    await healed.serve("a", autonomy=autonomy)
    await healed.watched.hub("h")
    await healed.watched.all_healthy()
    await healed.crash("a")
    await healed.watched.event("Escalated", "a")
    assert healed.hosting.received == []
    assert len(await events.after(healed.database, 0, kind="ActionSuggested")) == suggested


async def test_an_action_that_is_not_declared_does_not_run(healed: Healed) -> None:
    await healed.serve("a", actions={})
    await healed.watched.hub("h")
    await healed.watched.all_healthy()
    await healed.crash("a")
    escalated = await healed.watched.event("Escalated", "a")
    assert "a declares no action restart" in escalated.message
    assert await healed.attempts() == []


async def test_the_brake_stops_every_hub_and_its_release_lets_them_go_on(healed: Healed) -> None:
    healed.hosting.effect = healed.restart
    await healed.serve("a", "b", "c", "d")
    await healed.watched.hub("h")
    await healed.watched.hub("h")
    await healed.watched.all_healthy()
    await brake.set_stopped(healed.database, stopped=True, by="ann", reason="look first")
    for name in ("a", "b"):
        await healed.crash(name)
    await healed.watched.event("ActionHeld", "a")
    await asyncio.sleep(1.5)
    assert healed.hosting.received == []
    await brake.set_stopped(healed.database, stopped=False, by="ann", reason="seen")
    await healed.watched.all_healthy()
    assert {one.project for one in healed.hosting.effects} >= {"a"}


async def test_what_is_approved_while_the_brake_is_pulled_waits_and_a_person_knows(
    healed: Healed,
) -> None:
    healed.hosting.effect = healed.restart
    await healed.serve("a", autonomy="approve")
    await healed.watched.hub("h")
    await healed.watched.all_healthy()
    await healed.crash("a")
    waiting = await healed.attempt("pending")
    await brake.set_stopped(healed.database, stopped=True, by="ann", reason="look first")
    await approving.decide(healed.database, waiting.id, approve=True, by="bob", reason="yes")
    held = await healed.watched.event("ActionHeld", "a")
    assert "the global brake is pulled" in held.message
    await healed.watched.event("Escalated", "a")
    assert healed.hosting.received == []
    await brake.set_stopped(healed.database, stopped=False, by="ann", reason="seen")
    assert (await healed.attempt("completed")).id == waiting.id


async def test_a_dry_run_does_everything_but_the_action(healed: Healed) -> None:
    await healed.serve("a")
    file = healed.watched.folder / "hub.yaml"
    file.write_text(HUB_FILE + "  dry_run: true\n")
    await healed.watched.hub("h")
    await healed.watched.all_healthy()
    await healed.crash("a")
    attempt = await healed.attempt("completed")
    assert attempt.dry_run
    assert "would have been: POST" in (attempt.outcome or "")
    escalated = await healed.watched.event("Escalated", "a")
    assert "dry run" in escalated.message
    assert healed.hosting.received == []


async def test_an_incident_that_no_rule_covers_is_a_persons_after_the_grace(
    healed: Healed,
) -> None:
    healed.watched.use_rules(RULES.replace("kind: down", "kind: memory"))
    await healed.serve("a")
    await healed.watched.hub("h")
    await healed.watched.all_healthy()
    await healed.crash("a")
    escalated = await healed.watched.event("Escalated", "a")
    assert "no rule covers it" in escalated.message
    chain = await escalations.find(healed.database, escalated.incident_id or 0)
    assert chain is not None
    assert "Declared for a: pause, restart, resume" in chain.body


async def test_a_silence_leaves_an_incident_alone_until_it_ends(healed: Healed) -> None:
    healed.hosting.effect = healed.restart
    healed.watched.use_rules(SILENCEABLE)
    await healed.serve("a")
    await healed.watched.hub("h")
    await healed.watched.all_healthy()
    now = datetime.now(UTC)
    number = await silences.add(
        healed.database,
        NewSilence(
            project="a",
            starts_at=now,
            ends_at=now + timedelta(hours=1),
            reason="we work on it",
            created_by="ann",
        ),
    )
    await healed.crash("a")
    await healed.watched.event("IncidentOpened", "a")
    await asyncio.sleep(1)
    assert healed.hosting.received == []
    await silences.end(healed.database, number, by="ann")
    await healed.attempt("completed")


async def test_a_silence_ends_the_telling_of_an_incident_that_people_know_of(
    healed: Healed,
) -> None:
    healed.watched.use_rules(SILENCEABLE)
    await healed.serve("a", autonomy="observe")
    await healed.watched.hub("h")
    await healed.watched.all_healthy()
    await healed.crash("a")
    escalated = await healed.watched.event("Escalated", "a")
    now = datetime.now(UTC)
    silence = NewSilence(
        project="a",
        starts_at=now,
        ends_at=now + timedelta(hours=1),
        reason="we know",
        created_by="ann",
    )
    await silences.add(healed.database, silence)

    async def withdrawn() -> bool:
        chain = await escalations.find(healed.database, escalated.incident_id or 0)
        return chain is not None and chain.stop_reason == "withdrawn"

    await eventually(withdrawn)


async def test_what_did_not_help_is_taken_back(healed: Healed) -> None:
    healed.watched.use_rules(
        """
rules:
  - name: down-pause
    when: {kind: down}
    then: {action: pause, retry: {max_attempts: 1}, verify: {within: 1s}, undo: true}
    examples: [{given: {kind: down}, expect: run}]
"""
    )
    await healed.serve(
        "a",
        actions={
            **healed.hosting.actions("a", "pause", undo="resume"),
            **healed.hosting.actions("a", "resume", undo="pause"),
        },
    )
    await healed.watched.hub("h")
    await healed.watched.all_healthy()
    await healed.crash("a")
    undone = await healed.attempt("rolled_back")
    assert undone.action == "pause"
    await healed.watched.event("Escalated", "a")
    assert [one.action for one in healed.hosting.effects] == ["pause", "resume"]


async def test_two_projects_down_act_once_on_what_they_share(healed: Healed) -> None:
    healed.watched.use_rules(
        """
rules:
  - name: shared
    priority: 10
    when: {kind: down}
    with: [{fact: incident, differs: [project],
            when: {kind: down, state: open, shared_dependency: {exists: true}}, within: 5m}]
    then: {action: restart, on: dependency, verify: {within: 8s}}
    examples:
      - given: {kind: down}
        facts: {incidents: [{project: other, kind: down, state: open, shared_dependency: db}]}
        expect: run
"""
    )

    async def heal_both(_: Received) -> None:
        for service in healed.watched.services:
            if service.name != "db":
                await service.start()

    healed.hosting.effect = heal_both
    await healed.serve("a", "b", "db")
    healed.describe({"a": {"depends_on": ["db"]}, "b": {"depends_on": ["db"]}})
    await healed.watched.hub("h")
    await healed.watched.all_healthy()
    await healed.crash("a")
    await healed.crash("b")
    await healed.attempt("completed")
    assert [(one.project, one.action) for one in healed.hosting.effects] == [("db", "restart")]
    suppressed = await events.after(healed.database, 0, kind="IncidentSuppressed")
    assert len(suppressed) == 1


async def test_a_project_that_answers_badly_to_an_action_is_tried_again(healed: Healed) -> None:
    healed.hosting.status = 500
    await healed.serve("a")
    await healed.watched.hub("h")
    await healed.watched.all_healthy()
    await healed.crash("a")
    await healed.watched.event("ActionFailed", "a")
    healed.hosting.status, healed.hosting.effect = 200, healed.restart
    completed = await healed.attempt("completed")
    assert completed.number > 1


async def test_an_edit_of_the_rules_takes_effect_on_what_is_open(healed: Healed) -> None:
    healed.hosting.effect = healed.restart
    file = healed.watched.use_rules(RULES.replace("kind: down", "kind: memory"))
    await healed.serve("a")
    await healed.watched.hub("h")
    await healed.watched.all_healthy()
    await healed.crash("a")
    await healed.watched.event("Escalated", "a")
    file.write_text(RULES)
    await healed.attempt("completed")


async def test_a_broken_edit_keeps_the_rules_and_says_what_is_wrong(healed: Healed) -> None:
    healed.hosting.effect = healed.restart
    await healed.serve("a")
    await healed.watched.hub("h")
    await healed.watched.all_healthy()
    assert healed.watched.rules is not None
    (healed.watched.rules / "library" / "own.yaml").write_text(RULES.replace("kind:", "knd:"))
    rejected = await healed.watched.event("RulesRejected")
    assert "own.yaml:4" in rejected.message
    await healed.crash("a")
    await healed.attempt("completed")


async def test_rules_that_tell_nobody_known_heal_and_are_told_as_a_trouble(healed: Healed) -> None:
    healed.hosting.effect = healed.restart
    healed.watched.use_rules(RULES + "    escalate: [{notify: onkall}]\n")
    await healed.serve("a")
    await healed.watched.hub("h")
    await healed.watched.all_healthy()
    rejected = await healed.watched.event("RulesRejected")
    assert rejected.message.startswith("the rules are in force with faults: ")
    (vitals,) = await eventually(lambda: system_health.latest(healed.database))
    assert (vitals.status, 'got "onkall"' in (vitals.detail or "")) == ("degraded", True)
    assert "rules.down-restart.escalate[0].notify" in (vitals.config_error or "")
    await healed.crash("a")
    await healed.attempt("completed")


async def test_an_incident_is_not_left_open_by_what_was_done(healed: Healed) -> None:
    healed.hosting.effect = healed.restart
    await healed.serve("a", "b", "c", "d")
    await healed.watched.hub("h")
    await healed.watched.hub("h")
    await healed.watched.all_healthy()
    for name in ("a", "b"):
        await healed.crash(name)

    async def all_over() -> bool:
        found = await incidents.list_newest(healed.database)
        done = await healed.attempts()
        return (
            len(found) >= 2
            and all(i.state == "resolved" for i in found)
            and all(attempt.is_finished for attempt in done)
        )

    await eventually(all_over)
    assert len(healed.hosting.effects) == 2
