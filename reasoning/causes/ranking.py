"""Which project most likely caused an incident, said before any language model is asked."""

from collections.abc import Sequence
from typing import Final

from reasoning.causes.cause import Cause, Ranking
from reasoning.causes.deviation import STANDS_OUT
from reasoning.causes.measured import Measured, measure
from reasoning.causes.scoring import Candidate, candidates
from reasoning.causes.window import IncidentWindow
from reasoning.causes.wording import because

LEAST_SCORE: Final = 0.4
"""Below it no cause is clear: what quiet times come to (`docs/causes.md` has the measurements)."""

LEAST_SUFFERING: Final = 0.5
MOST_FACTS: Final = 5


def rank(window: IncidentWindow) -> Ranking:
    """Return the likely causes of an incident: its own project, or one that it depends on.

    1. Measure every project of the window: metrics, statuses, log lines.
    2. Score the incident's project and all upstream of it (`reasoning.causes.scoring`).
    3. Call the first one clear where its score is at least `LEAST_SCORE` and it surely suffers,
       so that of many quiet projects the least quiet is not blamed.
    """
    facts = measure(window)
    found = sorted(candidates(window, facts), key=lambda one: (-one.score, one.project))
    related = frozenset((window.project,)).union(*(one.explains for one in found))
    sufferers = tuple(name for name in sorted(related) if _stands_out(facts.get(name, ())))
    return Ranking(
        project=window.project,
        causes=tuple(_cause(one, window, sufferers) for one in found),
        is_clear=bool(found) and _is_clear(found[0]),
        sufferers=sufferers,
    )


def _is_clear(first: Candidate) -> bool:
    return first.score >= LEAST_SCORE and first.suffering >= LEAST_SUFFERING


def stands_out(fact: Measured) -> bool:
    """Return whether a fact is worth telling: a status always is."""
    return fact.deviations is None or abs(fact.deviations) >= STANDS_OUT


def _stands_out(facts: Sequence[Measured]) -> bool:
    return any(map(stands_out, facts))


def _cause(one: Candidate, window: IncidentWindow, sufferers: Sequence[str]) -> Cause:
    evidence = _evidence(one)
    first = _telling(evidence, window)
    began_at = first.at or next((fact.at for fact in evidence if fact.at), None)
    lead_s = (window.opened_at - began_at).total_seconds() if began_at else None
    others = tuple(name for name in sufferers if name in one.explains and name != one.project)
    return Cause(
        project=one.project,
        kind=first.kind,
        name=first.name,
        score=one.score,
        lead_s=lead_s,
        reason=because(first, evidence, window.opened_at, others),
        evidence=evidence,
    )


def _evidence(one: Candidate) -> tuple[Measured, ...]:
    """The change, then what stands out, at most five; the strongest fact where nothing does."""
    telling = tuple(filter(stands_out, one.facts))[:MOST_FACTS] or one.facts[:1]
    if one.change is None:
        return telling
    changed = Measured(
        project=one.project,
        kind=one.change.kind,
        name=one.change.version or "",
        strength=0.0,
        at=one.change.at,
    )
    return (changed, *telling)


def _telling(evidence: Sequence[Measured], window: IncidentWindow) -> Measured:
    """The fact to name: in the incident's own project the symptom only where there is no other."""
    first = evidence[0]
    if first.project != window.project or first.kind in ("deploy", "configuration"):
        return first
    others = [
        fact
        for fact in evidence
        if fact.kind == "metric" and fact.name != window.metric and stands_out(fact)
    ]
    began_at = first.at
    return next(
        (fact for fact in others if not (fact.at and began_at and fact.at > began_at)), first
    )
