"""What verified outcomes say of an action on a kind of incident of a project.

Every verified outcome makes all earlier ones count 1 % less, so what is remembered is worth at
most 100 trials. Time alone takes nothing away: at one decision a day, evidence that faded by the
day would never open a gate. What the weight costs: without a failure 0.80 is reached after 14
trials instead of 13, 0.90 after 32 instead of 28, 0.95 after 85 instead of 58, and 0.970 is the
most that can ever be reached. What it buys: however long the past, at most five failures in a row
bring the bound below 0.90, and fifteen below 0.80.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal, assert_never

from reasoning.confidence.beta import lower_bound

KEPT: Final = 0.99
"""What is left of the weight of a trial after one more trial."""

MOST_REMEMBERED: Final = 1 / (1 - KEPT)
"""What all trials together can weigh."""

Outcome = Literal["right", "wrong", "partly", "unverifiable"]


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """What evidence is about: one action for one kind of incident of one project."""

    project: str
    kind: str
    action: str


@dataclass(frozen=True, slots=True)
class Basis:
    """What decided and what was done. When any of it changes, evidence starts again.

    `prompt` and `definition` stand for the prompt's and the action's definition: digests of them.
    """

    model: str
    prompt: str
    definition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A decision whose outcome is known, `at` the time it was decided.

    `stated` is the confidence that came with it, 0 to 1.
    """

    subject: Subject
    basis: Basis
    at: datetime
    stated: float
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of a subject on one basis.

    `right` and `wrong` are the faded counts, to which what was partly right adds a half each.
    `trials` counts verified outcomes in whole, `unverifiable` those that nothing could be said of.
    """

    basis: Basis
    right: float = 0.0
    wrong: float = 0.0
    trials: int = 0
    unverifiable: int = 0

    @property
    def bound(self) -> float:
        """The lower 5 % bound of how often it is right, 0 to 1."""
        return lower_bound(self.right, self.wrong)


def value_of(outcome: Outcome) -> float | None:
    """Return how right an outcome was, 0 to 1, or None where that cannot be known."""
    match outcome:
        case "right":
            return 1.0
        case "partly":
            return 0.5
        case "wrong":
            return 0.0
        case "unverifiable":
            return None
        case _:
            assert_never(outcome)


def after(evidence: Evidence, outcome: Outcome) -> Evidence:
    """Return the evidence with one more outcome; an unverifiable one is counted and no trial."""
    value = value_of(outcome)
    if value is None:
        return replace(evidence, unverifiable=evidence.unverifiable + 1)
    return replace(
        evidence,
        right=evidence.right * KEPT + value,
        wrong=evidence.wrong * KEPT + 1 - value,
        trials=evidence.trials + 1,
    )


def gather(trials: Iterable[Trial]) -> dict[Subject, Evidence]:
    """Return what is known of each subject, by the basis of its newest trial.

    Trials are taken by their time, equal times as given. A trial on another basis than the one
    before starts again from nothing; going back to an earlier basis does so too.
    """
    found: dict[Subject, Evidence] = {}
    for trial in sorted(trials, key=lambda one: one.at):
        known = found.get(trial.subject)
        if known is None or known.basis != trial.basis:
            known = Evidence(basis=trial.basis)
        found[trial.subject] = after(known, trial.outcome)
    return found


def successes_missing(evidence: Evidence, bound: float) -> int | None:
    """Return how many successes in a row bring the bound to `bound`; None if none ever would."""
    missing = 0
    while evidence.bound < bound:
        following = after(evidence, "right")
        if following.bound <= evidence.bound or missing > _LONG:
            return None
        evidence, missing = following, missing + 1
    return missing


_LONG: Final = 1000
"""After as many, all that came before weighs less than 0.005 trials."""
