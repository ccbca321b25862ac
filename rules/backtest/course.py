"""The course that each incident would have taken."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from data.past import PastIncident
from rules.policy import Approval, Step

Basis = Literal["recorded", "assumed"]
"""Whether what came of an attempt is on record, or follows from when the incident ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What the policy said at a moment, of which rule, and whom it was to act on."""

    at: datetime
    step: Step
    reason: str
    rule: str | None = None
    action: str | None = None
    target: str | None = None

    @property
    def said(self) -> tuple[str, str, str | None, str | None]:
        return self.step, self.reason, self.rule, self.action


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """An attempt that would have been carried out, and what is taken to have come of it."""

    rule: str
    action: str
    target: str
    number: int
    at: datetime
    finished_at: datetime
    succeeded: bool
    basis: Basis
    permanent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request for approval; `answer` holds from `answered_at` on, pending is before."""

    rule: str
    action: str
    target: str
    at: datetime
    answered_at: datetime
    answer: Approval
    basis: Basis

    def approval(self, now: datetime) -> Approval:
        return self.answer if now >= self.answered_at else "pending"


@dataclass(slots=True, kw_only=True)
class Course:
    """What would have become of one incident; `rulings` are kept where they changed.

    `matched` are the rules that held at any look, in order, and `shadow` what those in shadow
    mode would have been allowed.
    """

    incident: PastIncident
    rulings: list[Ruling] = field(default_factory=list)
    tries: list[Try] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    matched: dict[str, None] = field(default_factory=dict)
    shadow: dict[str, Ruling] = field(default_factory=dict)

    def note(self, ruling: Ruling) -> None:
        if not self.rulings or self.rulings[-1].said != ruling.said or ruling.step == "run":
            self.rulings.append(ruling)

    def tries_of(self, rule: str, now: datetime) -> list[Try]:
        return [one for one in self.tries if one.rule == rule and one.finished_at <= now]

    def request_of(self, rule: str) -> Request | None:
        return next((one for one in self.requests if one.rule == rule), None)

    @property
    def actions(self) -> Sequence[str]:
        """The different actions that would have been carried out, in order."""
        return tuple(dict.fromkeys(one.action for one in self.tries))
