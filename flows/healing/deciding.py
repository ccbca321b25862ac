"""What to do about an incident now: the rules are asked, nothing is done."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from config.healing import HealingSettings
from data.circumstances import Circumstances
from flows.healing.candidates import Candidate, candidate_of
from flows.healing.fleet import Fleet
from flows.healing.surroundings import signal_and_facts
from rules.engine import Engine
from rules.policy import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the rules of a version say; `candidate` is the rule that decided, if one did."""

    verdict: Verdict
    rules_version: str
    candidate: Candidate | None = None
    candidates: tuple[Candidate, ...] = ()

    @property
    def number(self) -> int:
        """The number of the attempt that would be next."""
        return self.candidate.standing.attempts + 1 if self.candidate else 0


def decide(
    circumstances: Circumstances, fleet: Fleet, engine: Engine, settings: HealingSettings
) -> Decision:
    """Ask the rules about an incident in which no attempt is under way.

    1. What another open incident explains is left to that one.
    2. Match the rules. 3. See where each that matched stands. 4. Let the policy choose.
    5. A rule is given a moment for facts to come in before nobody is said to match.
    """
    version = engine.book.version
    if circumstances.incident.is_explained:
        return Decision(verdict=_verdict("suppress", "explained"), rules_version=version)
    signal, facts = signal_and_facts(circumstances, fleet)
    matches = engine.match(signal, facts)
    candidates = tuple(candidate_of(m, circumstances, fleet, settings) for m in matches)
    verdict = engine.decide([candidate.standing for candidate in candidates])
    chosen = next((one for one in candidates if one.rule.name == verdict.rule), None)
    if verdict.reason == "no_rule" and _age(circumstances) < settings.grace:
        verdict = _verdict("wait", "gathering_facts")
    if (
        settings.dry_run
        and verdict.step in {"run", "request_approval"}
        and _rehearsed(circumstances)
    ):
        verdict = _verdict("escalate", "dry_run", verdict.rule)
    return Decision(verdict=verdict, rules_version=version, candidate=chosen, candidates=candidates)


def details(decision: Decision) -> Mapping[str, Any]:
    """Return what is kept with a decision: every rule that matched, and where it stood."""
    return {
        "number": decision.number,
        "matched": [
            {
                "rule": candidate.rule.name,
                "mode": candidate.rule.mode,
                "says": candidate.rule.then.reason,
                "action": candidate.rule.then.action,
                "target": candidate.target,
                "attempts": candidate.standing.attempts,
                "hold": candidate.standing.hold,
                "approval": candidate.standing.approval,
                "autonomy": candidate.standing.autonomy,
                "problem": candidate.problem,
            }
            for candidate in decision.candidates
        ],
    }


def _rehearsed(circumstances: Circumstances) -> bool:
    return any(attempt.dry_run for attempt in circumstances.attempts)


def _age(circumstances: Circumstances) -> timedelta:
    return circumstances.now - circumstances.incident.opened_at


def _verdict(step: Any, reason: str, rule: str | None = None) -> Verdict:
    return Verdict(step=step, reason=reason, rule=rule)
