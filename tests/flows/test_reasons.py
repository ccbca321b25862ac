"""The reasons of verdicts in words: of every step there is, and the right way round."""

from typing import get_args

import pytest

from flows.healing.reasons import words_for
from rules.policy import POLICY, Clause, Step


@pytest.mark.parametrize("clause", POLICY, ids=lambda clause: f"{clause.step} {clause.reason}")
def test_every_verdict_of_the_policy_has_words(clause: Clause) -> None:
    step, reason = clause.step, clause.reason
    assert "_" not in words_for(step, reason)
    assert reason.replace("_", " ") != words_for(step, reason)


@pytest.mark.parametrize("step", get_args(Step))
def test_only_a_rule_that_escalates_asks_for_a_person(step: str) -> None:
    assert ("person" in words_for(step, "matched")) == (step == "escalate")
