"""A decision acts alone only where nothing speaks against it, and the first reason is told."""

from dataclasses import replace
from itertools import product
from typing import get_args

import pytest

from config.action_spec import Risk
from reasoning.confidence.beta import trials_needed
from reasoning.confidence.evidence import Basis, Evidence
from reasoning.confidence.gate import Candidate, Reason, Ruling, course_of, explain, judge
from rules.policy import Autonomy

BASIS = Basis("model", "prompt", "definition")
CANDIDATE = Candidate(
    risk="reversible", autonomy="auto", basis=BASIS, grounded=True, injection_suspected=False
)


def _evidence(right: float, wrong: float = 0, trials: int | None = None) -> Evidence:
    count = int(right + wrong) if trials is None else trials
    return Evidence(basis=BASIS, right=right, wrong=wrong, trials=count)


PROVEN = _evidence(90)


@pytest.mark.parametrize(("risk", "bound"), [("reversible", 0.80), ("disruptive", 0.90)])
@pytest.mark.parametrize("failures", range(4))
def test_the_gate_opens_with_the_trials_that_its_bound_takes(
    risk: Risk, bound: float, failures: int
) -> None:
    right = trials_needed(bound, failures) - failures
    candidate = replace(CANDIDATE, risk=risk)
    assert judge(candidate, _evidence(right, failures)).reason == "proven"
    assert judge(candidate, _evidence(right - 1, failures)).reason != "proven"


def test_the_gate_closes_when_the_bound_falls() -> None:
    assert judge(CANDIDATE, _evidence(13)).course == "act"
    ruling = judge(CANDIDATE, _evidence(13, 1))
    assert (ruling.reason, ruling.course) == ("bound_too_low", "ask")


def test_few_trials_are_told_from_a_low_bound() -> None:
    assert judge(CANDIDATE, _evidence(12)).reason == "too_few_trials"
    assert judge(CANDIDATE, _evidence(30, 10)).reason == "bound_too_low"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"autonomy": "observe"}, "autonomy_observe"),
        ({"autonomy": "suggest"}, "autonomy_suggest"),
        ({"autonomy": "approve"}, "autonomy_approve"),
        ({"risk": "destructive"}, "destructive"),
        ({"injection_suspected": True}, "injection_suspected"),
        ({"grounded": False}, "ungrounded"),
        ({"basis": Basis("newer", "prompt", "definition")}, "basis_changed"),
    ],
)
def test_what_speaks_against_a_proven_decision_is_told(
    change: dict[str, str], reason: Reason
) -> None:
    ruling = judge(replace(CANDIDATE, **change), PROVEN)  # type: ignore[arg-type]
    assert ruling.reason == reason
    assert ruling.course != "act"


def test_nothing_destructive_is_done_alone_whatever_is_known() -> None:
    ruling = judge(replace(CANDIDATE, risk="destructive"), _evidence(1e6))
    assert (ruling.reason, ruling.course, ruling.needed) == ("destructive", "ask", None)


@pytest.mark.parametrize("evidence", [None, _evidence(0)])
def test_without_evidence_a_person_is_asked(evidence: Evidence | None) -> None:
    ruling = judge(CANDIDATE, evidence)
    assert (ruling.reason, ruling.course) == ("no_evidence", "ask")


def test_outcomes_that_could_not_be_verified_are_no_evidence() -> None:
    evidence = Evidence(basis=BASIS, unverifiable=500)
    assert judge(CANDIDATE, evidence).reason == "no_evidence"


def test_evidence_on_another_basis_shows_no_bound() -> None:
    ruling = judge(replace(CANDIDATE, basis=Basis("newer", "prompt", "definition")), PROVEN)
    assert ruling.bound is None


@pytest.mark.parametrize("autonomy", ["observe", "suggest"])
def test_a_project_that_wants_no_acting_is_only_told(autonomy: Autonomy) -> None:
    assert judge(replace(CANDIDATE, autonomy=autonomy), PROVEN).course == "say"


def test_only_a_trusted_and_proven_decision_in_autonomy_auto_ever_acts() -> None:
    for risk, autonomy, grounded, injected in product(
        get_args(Risk), get_args(Autonomy), (True, False), (True, False)
    ):
        ruling = judge(
            Candidate(
                risk=risk,
                autonomy=autonomy,
                basis=BASIS,
                grounded=grounded,
                injection_suspected=injected,
            ),
            PROVEN,
        )
        allowed = risk != "destructive" and autonomy == "auto" and grounded and not injected
        assert (ruling.course == "act") is allowed


@pytest.mark.parametrize("reason", get_args(Reason))
def test_every_reason_has_a_course_and_a_sentence(reason: Reason) -> None:
    ruling = Ruling(reason=reason, bound=0.7, needed=0.8)
    assert course_of(reason) in ("say", "ask", "act")
    assert explain(ruling, _evidence(7, 1))


def test_the_sentence_says_what_is_missing() -> None:
    evidence = _evidence(10)
    assert explain(judge(CANDIDATE, evidence), evidence) == (
        "10 verified, right at least 76 % of the time, 80 % needed; 3 more successes would do"
    )
