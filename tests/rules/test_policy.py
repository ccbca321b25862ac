"""What is done about a matched rule follows from where it stands, in one order."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from rules.engine import Engine
from rules.language.reading import book_of
from rules.policy import Standing, Verdict


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with closing(Engine(book_of(()))) as engine:
        yield engine


def _decide(engine: Engine, *standings: Standing) -> tuple[str, str]:
    verdict = engine.decide(standings)
    return verdict.step, verdict.reason


@pytest.mark.parametrize(
    ("known", "step", "reason"),
    [
        ({}, "run", "matched"),
        ({"wish": "suppress"}, "suppress", "matched"),
        ({"wish": "escalate"}, "escalate", "matched"),
        ({"declared": False}, "denied", "not_declared"),
        ({"parameters_valid": False}, "denied", "parameters_invalid"),
        ({"autonomy": "observe"}, "denied", "autonomy_observe"),
        ({"autonomy": "suggest"}, "denied", "autonomy_suggest"),
        ({"autonomy": "approve"}, "run", "matched"),
        ({"attempts": 3}, "escalate", "attempts_used_up"),
        ({"attempts": 2}, "run", "matched"),
        ({"attempts": 1, "permanent_failure": True}, "escalate", "permanent_failure"),
        ({"approval": "rejected"}, "escalate", "rejected"),
        ({"approval": "expired"}, "escalate", "approval_expired"),
        ({"hold": "brake"}, "hold", "brake"),
        ({"hold": "network_suspected"}, "hold", "network_suspected"),
        ({"hold": "breaker_open"}, "hold", "breaker_open"),
        ({"hold": "rate_limited"}, "hold", "rate_limited"),
        ({"hold": "blast_radius"}, "hold", "blast_radius"),
        ({"hold": "cooling_down"}, "hold", "cooling_down"),
        ({"hold": "busy"}, "hold", "busy"),
        ({"attempts": 1, "backoff_left_s": 0.001}, "wait", "backing_off"),
        ({"backoff_left_s": float("inf")}, "wait", "backing_off"),
        ({"approval_needed": True, "approval": "pending"}, "await_approval", "approval_pending"),
        ({"approval_needed": True}, "request_approval", "approval_needed"),
        ({"approval_needed": True, "approval": "approved"}, "run", "matched"),
    ],
)
def test_a_standing_leads_to_its_step(
    engine: Engine, known: dict[str, Any], step: str, reason: str
) -> None:
    assert _decide(engine, replace(Standing(rule="one"), **known)) == (step, reason)


def test_the_last_failure_escalates_although_it_opened_the_breaker(engine: Engine) -> None:
    standing = Standing(rule="one", attempts=3, hold="breaker_open")
    assert _decide(engine, standing) == ("escalate", "attempts_used_up")


def test_a_brake_holds_before_anybody_is_asked(engine: Engine) -> None:
    standing = Standing(rule="one", approval_needed=True, hold="brake")
    assert _decide(engine, standing) == ("hold", "brake")


def test_a_project_that_is_only_observed_is_not_even_escalated_for_used_up_attempts(
    engine: Engine,
) -> None:
    standing = Standing(rule="one", autonomy="observe", attempts=5)
    assert _decide(engine, standing) == ("denied", "autonomy_observe")


def test_nothing_matched_is_escalated(engine: Engine) -> None:
    assert engine.decide([]) == Verdict(step="escalate", reason="no_rule", rule=None)


def test_the_first_of_several_rules_wins(engine: Engine) -> None:
    verdict = engine.decide([Standing(rule="one", attempts=3), Standing(rule="two")])
    assert (verdict.step, verdict.rule) == ("escalate", "one")


def test_a_rule_that_suppresses_wins_from_any_place(engine: Engine) -> None:
    verdict = engine.decide([Standing(rule="one"), Standing(rule="two", wish="suppress")])
    assert (verdict.step, verdict.rule) == ("suppress", "two")


def test_a_rule_whose_action_is_not_there_leaves_it_to_the_next(engine: Engine) -> None:
    verdict = engine.decide([Standing(rule="one", declared=False), Standing(rule="two")])
    assert (verdict.step, verdict.rule) == ("run", "two")


def test_a_rule_that_may_not_act_does_not_leave_it_to_the_next(engine: Engine) -> None:
    verdict = engine.decide([Standing(rule="one", autonomy="suggest"), Standing(rule="two")])
    assert (verdict.reason, verdict.rule) == ("autonomy_suggest", "one")


def test_rules_that_can_none_be_followed_are_denied_by_the_first(engine: Engine) -> None:
    verdict = engine.decide(
        [Standing(rule="one", parameters_valid=False), Standing(rule="two", declared=False)]
    )
    assert (verdict.reason, verdict.rule) == ("parameters_invalid", "one")


def test_a_shadow_rule_decides_nothing(engine: Engine) -> None:
    shadow = Standing(rule="one", shadow=True, wish="suppress")
    assert engine.decide([shadow]).reason == "no_rule"
    assert engine.decide([shadow, Standing(rule="two")]).rule == "two"
