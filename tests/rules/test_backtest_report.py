"""What a replay comes to: per rule, beside the record, beside other rules, and how true it is."""

from typing import Any

import pytest

from rules.backtest.compare import with_other, with_record
from rules.backtest.fidelity import fidelity
from rules.backtest.report import RuleReport, rule_reports
from rules.rule import Then
from tests.rules.pasts import attempt, book, decision, incident, past, project, replayed, rule

ONCE = {"retry": {"max_attempts": 1}}


def _report(then: Any, *rules: Any, **settings: Any) -> RuleReport:
    return rule_reports(replayed(then, book(*(rules or (rule(),))), **{**ONCE, **settings}))[0]


def test_a_rule_in_one_sentence() -> None:
    """Two restarts ran, one of them on what really recovered untouched after 20 s.

    Of the others one is held by the limit of two a day until it ends, one waits for approval
    in vain, and one belongs to a project that declares no restart.
    """
    then = past(
        incident(1, "a", ended=20),
        incident(2, "a", opened=100, ended=130),
        incident(3, "a", opened=200, ended=230),
        incident(4, "b", ended=9_000),
        incident(5, "c", ended=60, recovered=False),
        projects=(project("a"), project("b", autonomy="approve"), project("c", actions={})),
        attempts=(attempt(2, began=101), attempt(3, began=201), attempt(4, "b", began=50)),
    )
    report = _report(then, rate_limit={"actions": 2, "within": "1d"})
    assert report.sentence == (
        "would have run 2 restarts, 1 held by the rate limit,"
        " 1 waiting for approval, 1 of them unanswered, 1 given to a person,"
        " 1 denied (not declared), 1 on a service that recovered by itself in 20 s"
    )
    assert (report.matched, report.acted_in, report.helped, report.assumed) == (5, 2, 2, 1)


def test_how_fast_what_was_left_alone_recovered() -> None:
    """Ten recover in 10 s, 20 s … 100 s: half within 55 s, nine in ten within 90 s."""
    incidents = [incident(n, opened=1_000 * n, ended=1_000 * n + 10 * n) for n in range(1, 11)]
    alone = _report(past(*incidents)).recovered_alone
    assert (alone.incidents, alone.median_s, alone.p90_s) == (10, 55, 90)


def test_what_did_not_recover_did_not_recover_by_itself() -> None:
    """One got worse, in one a person acted."""
    by_hand = attempt(2, purpose="by_hand", began=1_010)
    then = past(
        incident(1, ended=20, recovered=False),
        incident(2, opened=1_000, ended=1_020),
        attempts=(by_hand,),
    )
    assert _report(then).recovered_alone.incidents == 0


def test_a_rule_that_another_outranks_is_told_so() -> None:
    quiet = rule("quiet", priority=1, then=Then(step="suppress", reason="known"))
    reports = rule_reports(replayed(past(incident(1, ended=20)), book(rule(), quiet)))
    assert [(one.rule, one.sentence) for one in reports] == [
        ("quiet", "would have suppressed 1 incident"),
        ("restart-it", "would have run nothing, 1 left to another rule"),
    ]


def test_a_rule_that_never_matched_says_so() -> None:
    assert _report(past(incident(1, kind="cpu"))).sentence == "would never have matched"


def test_a_shadow_rule_says_what_it_would_have_been_allowed() -> None:
    report = _report(past(incident(1, ended=20)), rule(mode="shadow"))
    assert (report.mode, report.runs, report.acted_in) == ("shadow", {"restart": 1}, 1)


def test_beside_the_record_incident_by_incident() -> None:
    """The same, another one, one where nothing was done, none where something was, none either."""
    then = past(
        incident(1, "a", ended=20),
        incident(2, "b", ended=20),
        incident(3, "c", ended=20),
        incident(4, "d", kind="cpu", ended=20),
        incident(5, "e", kind="cpu", ended=20),
        attempts=(
            attempt(1, "a", began=1, took=19),
            attempt(2, "b", "rollback", began=1),
            attempt(4, "d", began=1),
        ),
        decisions=(decision(5, "escalate", "no_rule", version="old"),),
    )
    made = with_record(replayed(then, book(rule())))
    assert (made.same_action, made.other_action, made.would_act) == (1, 1, 1)
    assert (made.would_not_act, made.other_step, made.neither_acts) == (1, 0, 1)
    assert [(one.incident_id, one.before, one.after) for one in made.examples] == [
        (2, "rollback b", "restart b"),
        (3, "nothing (nobody looked)", "restart c"),
        (4, "restart d", "escalate (no rule)"),
    ]


def test_a_dry_run_was_no_action() -> None:
    then = past(incident(1, ended=20), attempts=(attempt(1, began=1, dry_run=True),))
    assert with_record(replayed(then, book(rule()))).would_act == 1


def test_two_books_side_by_side() -> None:
    """The other one restarts what is down; this one tells a person and restarts on cpu."""
    then = past(incident(1, ended=20), incident(2, "b", kind="cpu", ended=20))
    before = replayed(then, book(rule()))
    tell = rule("tell", then=Then(step="escalate", reason="look"))
    after = replayed(then, book(tell, rule(kind="cpu")))
    made = with_other(before, after)
    assert (made.would_not_act, made.would_act, made.incidents) == (1, 1, 2)


def test_a_replay_of_what_really_happened_is_wholly_true() -> None:
    rules = book(rule())
    run: dict[str, Any] = {"rule": "restart-it", "action": "restart", "version": rules.version}
    then = past(
        incident(1, ended=20),
        incident(2, "b", kind="cpu", ended=20),
        attempts=(attempt(1, began=0, took=20, rules_version=rules.version),),
        decisions=(
            decision(1, "run", "matched", **run),
            decision(2, "escalate", "no_rule", version=rules.version),
        ),
    )
    found = fidelity(replayed(then, rules))
    assert (found.ratio, found.misses, found.added) == (1.0, (), 0)
    assert (found.decisions, found.attempts) == (2, 1)


def test_what_the_replay_does_not_come_to_is_listed_with_the_reason() -> None:
    """Of five things on record the replay has one: the attempt in the first incident."""
    rules = book(rule())
    of: dict[str, Any] = {"rule": "restart-it", "action": "restart"}
    then = past(
        incident(1, ended=20),
        incident(2, "b", ended=20),
        attempts=(attempt(1), attempt(2, "b", "rollback", rules_version=rules.version)),
        decisions=(
            decision(1, "hold", "brake", version=rules.version, **of),
            decision(1, "run", "matched", version="old", rule="gone", action="restart"),
            decision(2, "escalate", "dry_run", version=rules.version, **of),
        ),
    )
    found = fidelity(replayed(then, rules))
    assert found.ratio == pytest.approx(1 / 5)
    assert [(one.incident_id, one.what, one.why) for one in found.misses] == [
        (1, "decision", "other_verdict"),
        (1, "decision", "other_version"),
        (2, "decision", "dry_run"),
        (2, "attempt", "not_run"),
    ]
    assert found.misses[0].recorded == "hold restart (brake) by restart-it"
    assert found.misses[0].replayed == "run restart (matched) by restart-it"


def test_what_the_replay_comes_to_less_often_says_how_often() -> None:
    rules = book(rule())
    run: dict[str, Any] = {"rule": "restart-it", "action": "restart", "version": rules.version}
    said_three_times = tuple(decision(1, "run", "matched", **run) for _ in range(3))
    found = fidelity(replayed(past(incident(1, ended=20), decisions=said_three_times), rules))
    assert (found.decisions, found.decisions_reproduced) == (3, 1)
    (miss,) = found.misses
    assert miss.recorded == "run restart (matched) by restart-it, 3 times"
    assert miss.replayed == "run restart (matched) by restart-it, once"
    assert (miss.why, found.why) == ("fewer_times", {"fewer_times": 1})


def test_the_same_said_by_another_version_of_the_rules_is_reproduced() -> None:
    rules = book(rule())
    said = tuple(
        decision(1, "run", "matched", version=version, rule="restart-it", action="restart")
        for version in ("older", "old", rules.version)
    )
    assert fidelity(replayed(past(incident(1, ended=20), decisions=said), rules)).misses == ()


def test_without_anything_on_record_there_is_no_figure() -> None:
    assert fidelity(replayed(past(incident(1)), book(rule()))).ratio is None
