"""Whether what keeps being recommended should be proposed as a rule, and whether a rule stays one.

A proposal changes nothing: it is replayed over the past, starts in shadow mode, and a person
approves it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal, assert_never

from reasoning.confidence.beta import lower_bound
from reasoning.confidence.evidence import KEPT, MOST_REMEMBERED, Outcome, Subject, Trial, value_of
from reasoning.confidence.separation import Separation, separate
from rules.facts import FieldValue
from rules.rule import Scalar, Test, When

LEAST_SUCCESSES: Final = 20
LEAST_SPAN: Final = timedelta(days=3)
LEAST_BOUND: Final = 0.85

Parameters = tuple[tuple[str, Scalar], ...]
"""A template of parameters, sorted by name; a text may have placeholders in it."""

Verdict = Literal[
    "proposed", "too_few_successes", "too_short_a_time", "bound_too_low", "no_condition"
]
Standing = Literal["stands", "paused", "demoted"]
StandingReason = Literal["holds", "failed", "partly", "unverifiable", "bound_fell"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A recommendation with the incident's fields, as a rule sees them, when it was made.

    A recommendation to do nothing is a case as well, of whatever its subject calls that.
    """

    trial: Trial
    parameters: Parameters
    fields: Mapping[str, FieldValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What would be a rule, or why there is none.

    `successes` and `rest` are counted where the condition holds; `rest` is all that was not this
    action being right. `when` is None without a condition; `bound` is the lower bound of successes
    among all for which it holds, or without one that of the action's own outcomes.
    """

    verdict: Verdict
    subject: Subject
    parameters: Parameters
    successes: int
    rest: int
    bound: float
    when: When | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """Where a rule stands after what it did, why, and the lower bound of its being right."""

    standing: Standing
    reason: StandingReason
    bound: float


def proposals(cases: Iterable[Case]) -> list[Proposal]:
    """Return what is to be said of each action and template with a success, by subject.

    A case counts if its action's definition has not changed since; which model recommended it is
    no matter to a rule. The rest, which a condition must keep out, is where the action was not
    right, and where another was for the same kind of incident of the project. That another failed
    says nothing of this one. What rules did belongs to the cases as well: without it a condition
    would be found that holds where another rule acts.
    """
    by_place: dict[tuple[str, str], list[Case]] = defaultdict(list)
    for case in sorted(cases, key=lambda one: one.trial.at):
        by_place[case.trial.subject.project, case.trial.subject.kind].append(case)
    found = []
    for _, here in sorted(by_place.items()):
        wanted = {_template(case): None for case in here if case.trial.outcome == "right"}
        current = _of_present_definitions(here)
        found += [_propose(*template, current) for template in wanted]
    return sorted(found, key=lambda one: (one.subject, repr(one.parameters)))


def written(when: When) -> dict[str, Any]:
    """Return the condition as a rule's file has it under `when`."""
    told: dict[str, Any] = {}
    if when.kinds:
        told["kind"] = when.kinds[0] if len(when.kinds) == 1 else list(when.kinds)
    for test in when.all:
        told.setdefault(test.field, {})[test.operator] = test.operand
    return told


def review(proven: Proposal, outcomes: Sequence[Outcome], *, looked_at: int = 0) -> Review:
    """Return where a rule stands, given its outcomes since it was approved, oldest first.

    It is demoted when its bound is below 0.85. The counts it was proposed with, as 100 trials at
    most, are where the bound begins, and fade as all evidence does. Otherwise the first outcome
    that is not right pauses it until a person has looked at it; the first `looked_at` have been.
    """
    share = min(1.0, MOST_REMEMBERED / max(1, proven.successes + proven.rest))
    right, wrong = proven.successes * share, proven.rest * share
    for outcome in outcomes:
        value = value_of(outcome)
        if value is not None:
            right, wrong = right * KEPT + value, wrong * KEPT + 1 - value
    bound = lower_bound(right, wrong)
    if bound < LEAST_BOUND:
        return Review(standing="demoted", reason="bound_fell", bound=bound)
    fault = next((one for one in map(_fault, outcomes[looked_at:]) if one), None)
    if fault:
        return Review(standing="paused", reason=fault, bound=bound)
    return Review(standing="stands", reason="holds", bound=bound)


def _propose(subject: Subject, parameters: Parameters, cases: Sequence[Case]) -> Proposal:
    """1. Enough successes. 2. Over time. 3. A condition where it is right often enough."""
    own = [case for case in cases if _template(case) == (subject, parameters)]
    successes = [case.trial.at for case in own if case.trial.outcome == "right"]
    values = [value for case in own if (value := value_of(case.trial.outcome)) is not None]
    reached = lower_bound(sum(values), len(values) - sum(values))

    def told(verdict: Verdict) -> Proposal:
        return Proposal(
            verdict=verdict,
            subject=subject,
            parameters=parameters,
            successes=len(successes),
            rest=len(own) - len(successes),
            bound=reached,
        )

    if len(successes) < LEAST_SUCCESSES:
        return told("too_few_successes")
    if successes[-1] - successes[0] < LEAST_SPAN:
        return told("too_short_a_time")
    found = _separated(subject, parameters, cases)
    if found is None:
        return told("bound_too_low" if reached < LEAST_BOUND else "no_condition")
    tests = (Test(field="project", operator="eq", operand=subject.project), *found.tests)
    return Proposal(
        verdict="proposed",
        subject=subject,
        parameters=parameters,
        successes=found.successes,
        rest=found.rest,
        bound=lower_bound(found.successes, found.rest),
        when=When(kinds=(subject.kind,), all=tests),
    )


def _separated(
    subject: Subject, parameters: Parameters, cases: Sequence[Case]
) -> Separation | None:
    """Return the condition, if what it covers would be enough for a proposal by itself."""
    wanted = (subject, parameters)
    cases = [one for one in cases if _template(one) == wanted or one.trial.outcome == "right"]
    labels = [
        case.trial.outcome == "right" and _template(case) == (subject, parameters) for case in cases
    ]
    found = separate([case.fields for case in cases], labels)
    covered = [
        case.trial.at
        for case, label, holds in zip(cases, labels, found.covered, strict=True)
        if label and holds
    ]
    enough = len(covered) >= LEAST_SUCCESSES and covered[-1] - covered[0] >= LEAST_SPAN
    bound = lower_bound(found.successes, found.rest)
    return found if enough and bound >= LEAST_BOUND else None


def _of_present_definitions(cases: Sequence[Case]) -> list[Case]:
    """Return the cases since each action's definition last changed, oldest first."""
    newest: dict[str, str | None] = {}
    kept = []
    for case in reversed(cases):
        action, definition = case.trial.subject.action, case.trial.basis.definition
        if newest.setdefault(action, definition) == definition:
            kept.append(case)
        else:
            newest[action] = None
    return kept[::-1]


def _template(case: Case) -> tuple[Subject, Parameters]:
    return case.trial.subject, case.parameters


def _fault(outcome: Outcome) -> StandingReason | None:
    match outcome:
        case "right":
            return None
        case "wrong":
            return "failed"
        case "partly":
            return "partly"
        case "unverifiable":
            return "unverifiable"
        case _:
            assert_never(outcome)
