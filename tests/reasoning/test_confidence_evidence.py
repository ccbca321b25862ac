"""Evidence fades by the trial, starts again on a change, and counts only what was verified."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasoning.confidence.beta import trials_needed
from reasoning.confidence.evidence import (
    MOST_REMEMBERED,
    Basis,
    Evidence,
    Outcome,
    Subject,
    Trial,
    after,
    gather,
    successes_missing,
)

DOCUMENT = Path(__file__).parents[2] / "docs" / "confidence.md"
START = datetime(2026, 3, 1, tzinfo=UTC)
SUBJECT = Subject("shop", "memory", "restart")
BASIS = Basis("model", "prompt", "definition")
ALWAYS: Sequence[Outcome] = ["right"] * 3000

outcomes = st.lists(st.sampled_from(["right", "wrong", "partly", "unverifiable"]), max_size=120)


def _trial(
    outcome: Outcome, hours: float, basis: Basis = BASIS, subject: Subject = SUBJECT
) -> Trial:
    return Trial(
        subject=subject,
        basis=basis,
        at=START + timedelta(hours=hours),
        stated=0.9,
        outcome=outcome,
    )


def _after(*outcomes: Outcome, past: Sequence[Outcome] = ()) -> Evidence:
    evidence = Evidence(basis=BASIS)
    for outcome in (*past, *outcomes):
        evidence = after(evidence, outcome)
    return evidence


def test_evidence_is_kept_by_project_kind_and_action() -> None:
    others = [
        replace(SUBJECT, project="other"),
        replace(SUBJECT, kind="other"),
        replace(SUBJECT, action="other"),
    ]
    found = gather([_trial("right", 0), *(_trial("wrong", 1, subject=one) for one in others)])
    assert len(found) == 4
    assert (found[SUBJECT].right, found[SUBJECT].wrong) == (1, 0)


def test_time_alone_takes_nothing_away() -> None:
    soon = gather(_trial("right", hours) for hours in range(30))
    late = gather(_trial("right", 24 * 90 * hours) for hours in range(30))
    assert soon == late


def test_an_old_outcome_weighs_less_than_a_new_one() -> None:
    assert _after("wrong", "right").bound > _after("right", "wrong").bound


def test_what_is_remembered_is_worth_a_hundred_trials() -> None:
    evidence = _after(past=ALWAYS)
    assert evidence.trials == 3000
    assert evidence.right == pytest.approx(MOST_REMEMBERED) == pytest.approx(100)
    assert evidence.bound == pytest.approx(0.970, abs=1e-3)


@pytest.mark.parametrize(
    ("bound", "missing"), [(0.80, 14), (0.85, 20), (0.90, 32), (0.95, 85), (0.971, None)]
)
def test_fading_costs_as_many_trials_as_documented(bound: float, missing: int | None) -> None:
    assert successes_missing(_after(), bound) == missing


def test_the_trials_of_the_document_are_those_of_the_code() -> None:
    """Its table has the bound, trials for 0 to 3 failures, and those for 0 as evidence fades."""
    table = re.findall(r"(?m)^\| (0\.\d+) +((?:\| \d+ +)+)\|$", DOCUMENT.read_text())
    assert [float(bound) for bound, _ in table] == [0.80, 0.85, 0.90, 0.95]
    for bound, cells in table:
        *trials, faded = map(int, cells.replace("|", " ").split())
        assert [trials_needed(float(bound), failures) for failures in range(4)] == trials
        assert successes_missing(_after(), float(bound)) == faded


@pytest.mark.parametrize(("bound", "failures"), [(0.90, 5), (0.80, 15)])
def test_failures_in_a_row_lower_the_bound_however_long_the_past(
    bound: float, failures: int
) -> None:
    evidence = _after(past=ALWAYS)
    for _ in range(failures):
        assert evidence.bound >= bound
        evidence = after(evidence, "wrong")
    assert evidence.bound < bound


def test_partly_right_counts_half_right_and_half_wrong() -> None:
    evidence = _after("partly")
    assert (evidence.right, evidence.wrong, evidence.trials) == (0.5, 0.5, 1)


def test_what_cannot_be_verified_is_counted_and_changes_nothing_else() -> None:
    known, more = _after("right", "wrong"), _after("right", "unverifiable", "wrong")
    assert (more.right, more.wrong, more.trials) == (known.right, known.wrong, known.trials)
    assert more.unverifiable == 1


@pytest.mark.parametrize("part", ["model", "prompt", "definition"])
def test_evidence_starts_again_when_a_part_of_its_basis_changes(part: str) -> None:
    parts = {"model": "model", "prompt": "prompt", "definition": "definition", part: "other"}
    changed = Basis(**parts)
    found = gather([_trial("wrong", 0), _trial("wrong", 1), _trial("right", 2, changed)])
    assert found[SUBJECT] == Evidence(basis=changed, right=1.0, trials=1)


def test_going_back_to_an_earlier_basis_starts_again_too() -> None:
    other = Basis("other", "prompt", "definition")
    trials = [_trial("right", 0), _trial("right", 1, other), _trial("right", 2)]
    assert gather(trials)[SUBJECT].trials == 1


def test_trials_are_taken_by_their_time_and_not_as_they_come() -> None:
    trials = [_trial("right", 0), _trial("wrong", 1), _trial("partly", 2)]
    assert gather(trials) == gather(reversed(trials))


@given(outcomes)
def test_a_success_more_never_lowers_the_bound_and_a_failure_never_raises_it(
    past: list[Outcome],
) -> None:
    evidence = _after(*past)
    bound = evidence.bound
    assert 0 < bound < 1
    assert after(evidence, "right").bound > bound - 1e-12
    assert after(evidence, "wrong").bound < bound + 1e-12


@given(outcomes)
def test_as_many_successes_as_are_missing_are_just_enough(past: list[Outcome]) -> None:
    evidence = _after(*past)
    missing = successes_missing(evidence, 0.8)
    assert missing is not None
    for _ in range(missing):
        assert evidence.bound < 0.8
        evidence = after(evidence, "right")
    assert evidence.bound >= 0.8
