"""Whether a decision may be carried out without a person."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, assert_never

from config.action_spec import Risk
from reasoning.confidence.beta import trials_needed
from reasoning.confidence.evidence import Basis, Evidence, successes_missing
from rules.policy import Autonomy

NEEDED: Final[Mapping[Risk, float | None]] = {
    "reversible": 0.80,
    "disruptive": 0.90,
    "destructive": None,
}
"""The lower bound that the evidence must reach; None for what is never done without a person."""

Reason = Literal[
    "autonomy_observe",
    "autonomy_suggest",
    "autonomy_approve",
    "destructive",
    "injection_suspected",
    "ungrounded",
    "no_evidence",
    "basis_changed",
    "too_few_trials",
    "bound_too_low",
    "proven",
]
Course = Literal["say", "ask", "act"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A decision that is to be carried out. `basis` is what it rests on now.

    `grounded` says that every piece of evidence it names was found, with its quote.
    """

    risk: Risk
    autonomy: Autonomy
    basis: Basis
    grounded: bool
    injection_suspected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """Why a decision may act alone, or may not.

    `bound` is the lower bound of what is known, None without evidence on the present basis;
    `needed` that which the risk asks for, None where no evidence is enough.
    """

    reason: Reason
    bound: float | None
    needed: float | None

    @property
    def course(self) -> Course:
        return course_of(self.reason)


def judge(candidate: Candidate, evidence: Evidence | None) -> Ruling:
    """Return whether a decision may act alone, with the first reason that speaks against it.

    1. What the project allows. 2. What is never done alone. 3. What is wrong with this decision.
    4. What is known of decisions like it.
    """
    present = evidence if evidence and evidence.basis == candidate.basis else None
    needed = NEEDED[candidate.risk]
    return Ruling(
        reason=_forbidden(candidate)
        or _untrusted(candidate)
        or _unproven(needed, evidence, present),
        bound=present.bound if present else None,
        needed=needed,
    )


def course_of(reason: Reason) -> Course:
    """Return what becomes of the decision: only told, put to a person, or carried out."""
    match reason:
        case "autonomy_observe" | "autonomy_suggest":
            return "say"
        case (
            "autonomy_approve"
            | "destructive"
            | "injection_suspected"
            | "ungrounded"
            | "no_evidence"
            | "basis_changed"
            | "too_few_trials"
            | "bound_too_low"
        ):
            return "ask"
        case "proven":
            return "act"
        case _:
            assert_never(reason)


def explain(  # noqa: PLR0911 - one sentence per reason
    ruling: Ruling, evidence: Evidence | None
) -> str:
    """Return the reason as a sentence for people, with the counts behind it.

    Raises:
        ValueError: the ruling speaks of evidence, and none is given.
    """
    match ruling.reason:
        case "autonomy_observe" | "autonomy_suggest" | "autonomy_approve":
            return f"the project's autonomy is {ruling.reason.removeprefix('autonomy_')}"
        case "destructive":
            return "the action is destructive, and such are never carried out without a person"
        case "injection_suspected":
            return "a text among the evidence may be meant to steer the decision"
        case "ungrounded":
            return "the decision names evidence that is not there"
        case "no_evidence":
            return "no decision like it has been verified"
        case "basis_changed":
            return "the model, the prompt or the action has changed, and evidence starts again"
        case "too_few_trials" | "bound_too_low" | "proven":
            return _counted(ruling, evidence)
        case _:
            assert_never(ruling.reason)


def _forbidden(candidate: Candidate) -> Reason | None:
    match candidate.autonomy:
        case "observe":
            return "autonomy_observe"
        case "suggest":
            return "autonomy_suggest"
        case "approve":
            return "autonomy_approve"
        case "auto":
            return "destructive" if candidate.risk == "destructive" else None
        case _:
            assert_never(candidate.autonomy)


def _untrusted(candidate: Candidate) -> Reason | None:
    if candidate.injection_suspected:
        return "injection_suspected"
    return None if candidate.grounded else "ungrounded"


def _unproven(needed: float | None, evidence: Evidence | None, present: Evidence | None) -> Reason:
    if needed is None:
        return "destructive"
    if present is None:
        return "basis_changed" if evidence and evidence.trials else "no_evidence"
    if present.bound >= needed:
        return "proven"
    if not present.trials:
        return "no_evidence"
    return "too_few_trials" if present.trials < trials_needed(needed, 0) else "bound_too_low"


def _counted(ruling: Ruling, evidence: Evidence | None) -> str:
    if evidence is None or ruling.needed is None or ruling.bound is None:
        raise ValueError(f"{ruling.reason} is said of evidence, and there is none")
    told = (
        f"{evidence.trials} verified, right at least {100 * ruling.bound:.0f} % of the time, "
        f"{100 * ruling.needed:.0f} % needed"
    )
    missing = successes_missing(evidence, ruling.needed)
    if not missing:
        return told
    return f"{told}; {missing} more {'success' if missing == 1 else 'successes'} would do"
