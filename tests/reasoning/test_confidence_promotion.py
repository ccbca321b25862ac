"""What keeps working is proposed with the simplest condition that tells when it does."""

import json
import random
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reasoning.confidence.evidence import Basis, Outcome, Subject, Trial
from reasoning.confidence.promotion import (
    Case,
    Parameters,
    Proposal,
    proposals,
    review,
    written,
)
from reasoning.confidence.separation import round_between, separate
from rules.facts import FieldValue, Signal
from rules.rule import Test, When
from tests.rules.rule_texts import engine_of, rule_text

START = datetime(2026, 3, 1, tzinfo=UTC)
RESTART = Subject("shop", "memory", "restart")
CLEAR = Subject("shop", "memory", "clear_cache")
HOURS_APART = 6


def _case(
    number: int,
    outcome: Outcome = "right",
    *,
    subject: Subject = RESTART,
    parameters: Parameters = (),
    definition: str = "definition",
    hours: float = HOURS_APART,
    heap_mb: float | None = None,
    **fields: FieldValue,
) -> Case:
    return Case(
        trial=Trial(
            subject=subject,
            basis=Basis("model", "prompt", definition),
            at=START + timedelta(hours=number * hours),
            stated=0.9,
            outcome=outcome,
        ),
        parameters=parameters,
        fields={
            "kind": subject.kind,
            "project": subject.project,
            **fields,
            "metrics.heap_mb": heap_mb,
        },
    )


def _only(cases: Sequence[Case], subject: Subject = RESTART) -> Proposal:
    (found,) = [one for one in proposals(cases) if one.subject == subject]
    return found


def _tests(proposal: Proposal) -> Sequence[tuple[str, str, object]]:
    """Return what is demanded beside the project."""
    assert proposal.when is not None
    tests = [(one.field, one.operator, one.operand) for one in proposal.when.all]
    assert tests[0] == ("project", "eq", proposal.subject.project)
    return tests[1:]


def test_twenty_successes_over_three_days_are_proposed() -> None:
    proposal = _only([_case(n) for n in range(20)])
    assert (proposal.verdict, proposal.successes, proposal.rest) == ("proposed", 20, 0)
    assert proposal.bound >= 0.85
    assert not _tests(proposal)


def test_nineteen_successes_are_too_few() -> None:
    proposal = _only([_case(n) for n in range(19)])
    assert (proposal.verdict, proposal.when) == ("too_few_successes", None)


@pytest.mark.parametrize(("hours", "verdict"), [(3.7, "too_short_a_time"), (3.8, "proposed")])
def test_successes_must_lie_three_days_apart(hours: float, verdict: str) -> None:
    assert _only([_case(n, hours=hours) for n in range(20)]).verdict == verdict


def test_failures_that_nothing_sets_apart_hold_the_bound_down() -> None:
    cases = [_case(n, "wrong" if n % 5 == 0 else "right") for n in range(40)]
    assert _only(cases).verdict == "bound_too_low"


def test_other_right_actions_that_nothing_sets_apart_leave_no_condition() -> None:
    cases = [_case(n, subject=CLEAR if n % 2 else RESTART) for n in range(60)]
    assert _only(cases).verdict == "no_condition"


def test_failures_that_a_metric_sets_apart_become_its_limit() -> None:
    cases = [_case(n, heap_mb=800.0 + n) for n in range(30)]
    cases += [_case(30 + n, "wrong", heap_mb=300.0 + n) for n in range(8)]
    proposal = _only(cases)
    assert _tests(proposal) == [("metrics.heap_mb", "gte", 600.0)]
    assert (proposal.successes, proposal.rest) == (30, 0)


def test_what_another_action_is_right_for_is_kept_out_by_a_tag() -> None:
    cases = [_case(n, tags=("batch", "eu")) for n in range(25)]
    cases += [_case(n, subject=CLEAR, tags=("eu",)) for n in range(25)]
    assert _tests(_only(cases)) == [("tags", "eq", "batch")]


def test_that_another_action_failed_says_nothing_of_this_one() -> None:
    cases = [_case(n) for n in range(25)] + [_case(n, "wrong", subject=CLEAR) for n in range(50)]
    proposal = _only(cases)
    assert (proposal.verdict, proposal.rest) == ("proposed", 0)


def test_two_demands_are_found_where_one_does_not_do() -> None:
    chance = random.Random(3)
    cases = []
    for n in range(120):
        detector, value = chance.choice(["trend", "level"]), chance.uniform(50, 100)
        right = detector == "trend" and value >= 80
        outcome: Outcome = "right" if right else "wrong"
        cases.append(_case(n, outcome, detector=detector, value=value, hour=float(n % 24)))
    first, second = _tests(_only(cases))
    assert first[:2] == ("detector", "eq")
    assert second[:2] == ("value", "gte")


def test_a_single_failure_by_chance_is_not_explained_away() -> None:
    cases = [_case(n, "wrong" if n == 17 else "right", value=float(n)) for n in range(45)]
    proposal = _only(cases)
    assert not _tests(proposal)
    assert proposal.rest == 1


@pytest.mark.parametrize("outcome", ["wrong", "partly", "unverifiable"])
def test_whatever_is_no_success_belongs_to_the_rest(outcome: Outcome) -> None:
    cases = [_case(n, detector="trend") for n in range(25)]
    cases += [_case(25 + n, outcome, detector="level") for n in range(10)]
    assert _tests(_only(cases)) == [("detector", "eq", "trend")]


def test_another_template_of_parameters_is_another_rule() -> None:
    small, large = (("replicas", 2.0),), (("replicas", 9.0),)
    cases = [_case(n, parameters=small, value=1.0) for n in range(20)]
    cases += [_case(n, parameters=large, value=9.0) for n in range(10)]
    one, other = proposals(cases)
    assert (one.parameters, one.verdict) == (small, "proposed")
    assert (other.parameters, other.verdict) == (large, "too_few_successes")


def test_successes_of_another_kind_or_project_do_not_count() -> None:
    cases = [_case(n) for n in range(19)]
    cases += [_case(n, subject=Subject("mailer", "memory", "restart")) for n in range(19)]
    cases += [_case(n, subject=Subject("shop", "cpu", "restart")) for n in range(19)]
    assert {one.verdict for one in proposals(cases)} == {"too_few_successes"}


def test_successes_before_the_definition_changed_do_not_count() -> None:
    cases = [_case(n, definition="older") for n in range(19)] + [_case(20), _case(21)]
    assert _only(cases).successes == 2


def test_cases_in_any_order_make_the_same_proposal() -> None:
    cases = [_case(n, "right" if n % 3 else "wrong", value=float(n % 3)) for n in range(60)]
    shuffled = random.Random(1).sample(cases, len(cases))
    assert proposals(cases) == proposals(shuffled)


def test_a_failure_pauses_a_rule_until_a_person_has_looked() -> None:
    proven = _only([_case(n) for n in range(60)])
    assert review(proven, ["right", "right"]).standing == "stands"
    assert review(proven, ["right", "wrong"]).reason == "failed"
    assert review(proven, ["right", "unverifiable"]).reason == "unverifiable"
    assert review(proven, ["partly", "right"]).standing == "paused"
    assert review(proven, ["right", "wrong"], looked_at=2).standing == "stands"


def test_a_rule_is_demoted_when_its_bound_falls() -> None:
    proven = _only([_case(n) for n in range(20)])
    verdict = review(proven, ["wrong"])
    assert (verdict.standing, verdict.reason) == ("demoted", "bound_fell")
    assert verdict.bound < 0.85


def test_a_long_past_protects_no_rule() -> None:
    proven = Proposal(
        verdict="proposed", subject=RESTART, parameters=(), successes=5000, rest=0, bound=0.99
    )
    assert review(proven, ["wrong"] * 10, looked_at=10).standing == "demoted"


def test_the_rules_see_what_was_separated() -> None:
    """The condition, written to a file, holds in the engine for the same cases."""
    chance = random.Random(5)
    cases = []
    for n in range(90):
        tags = ("batch",) if chance.random() < 0.6 else ("web", "eu")
        value = None if n % 9 == 0 else round(chance.uniform(0, 100), 3)
        right = "batch" in tags and value is not None and value >= 40
        cases.append(_case(n, "right" if right else "wrong", tags=tags, value=value))
    when = _only(cases).when
    assert when is not None
    assert len(when.all) == 3
    with closing(engine_of(rule_text(when=json.dumps(written(when))))) as engine:
        held = [
            bool(engine.match(Signal(at=case.trial.at, fields=case.fields), ())) for case in cases
        ]
    labels = [case.trial.outcome == "right" for case in cases]
    assert held == list(separate([case.fields for case in cases], labels).covered) == labels


def test_a_condition_is_written_as_a_file_has_it() -> None:
    when = When(
        kinds=("memory",),
        all=(
            Test(field="value", operator="gte", operand=80.0),
            Test(field="value", operator="lt", operand=99.0),
            Test(field="tags", operator="eq", operand="batch"),
        ),
    )
    assert written(when) == {
        "kind": "memory",
        "value": {"gte": 80.0, "lt": 99.0},
        "tags": {"eq": "batch"},
    }


@pytest.mark.parametrize(
    ("below", "above", "limit"),
    [(307, 800, 600.0), (0.1234, 0.1239, 0.1236), (79, 81, 80.0), (-3, -1, -2.0), (1, 1.5, 1.2)],
)
def test_a_limit_has_few_digits(below: float, above: float, limit: float) -> None:
    assert round_between(below, above) == limit


numbers = st.floats(-1e12, 1e12)


@given(numbers, numbers)
def test_a_limit_lies_above_the_lower_and_at_most_at_the_upper(one: float, other: float) -> None:
    below, above = min(one, other), max(one, other)
    if below < above:
        assert below < round_between(below, above) <= above


samples = st.lists(
    st.tuples(
        st.fixed_dictionaries(
            {},
            optional={
                "value": st.sampled_from([1.0, 2.0, 3.5, None, True]),
                "detector": st.sampled_from(["trend", "level", None]),
                "tags": st.sampled_from([(), ("a",), ("a", "b")]),
                "unknown": st.just("x"),
            },
        ),
        st.booleans(),
    ),
    max_size=25,
)


@settings(max_examples=50)
@given(samples)
def test_a_separation_never_describes_worse_than_no_condition(
    given_: list[tuple[Mapping[str, FieldValue], bool]],
) -> None:
    cases, successes = [case for case, _ in given_], [success for _, success in given_]
    found = separate(cases, successes)
    plain = separate([{} for _ in cases], successes)
    assert found.nats <= plain.nats + 1e-9
    assert found.successes + found.rest == sum(found.covered)
    assert all(one.field in ("value", "detector", "tags") for one in found.tests)
