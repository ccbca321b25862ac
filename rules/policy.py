"""What to do about an incident, given where each matched rule stands."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

Step = Literal[
    "suppress", "denied", "hold", "escalate", "wait", "await_approval", "request_approval", "run"
]
Wish = Literal["act", "suppress", "escalate"]
Autonomy = Literal["observe", "suggest", "approve", "auto"]
Approval = Literal["none", "pending", "approved", "rejected", "expired"]
Hold = Literal[
    "none",
    "brake",
    "network_suspected",
    "breaker_open",
    "rate_limited",
    "blast_radius",
    "cooling_down",
    "busy",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a matched rule stands; `attempts` are its finished ones in this incident.

    The defaults are those of a rule that may act at once.
    """

    rule: str
    shadow: bool = False
    wish: Wish = "act"
    declared: bool = True
    parameters_valid: bool = True
    autonomy: Autonomy = "auto"
    approval_needed: bool = False
    approval: Approval = "none"
    attempts: int = 0
    max_attempts: int = 3
    permanent_failure: bool = False
    hold: Hold = "none"
    backoff_left_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The step to take now, why in one word, and the rule that says so."""

    step: Step
    reason: str
    rule: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One line of the policy: where the condition holds, this is the step."""

    step: Step
    reason: str
    condition: tuple[dict[str, Any], ...] = ()


POLICY: Final[Sequence[Clause]] = (
    Clause(step="suppress", reason="matched", condition=({"wish": "suppress"},)),
    Clause(step="denied", reason="not_declared", condition=({"declared": False},)),
    Clause(step="denied", reason="parameters_invalid", condition=({"parameters_valid": False},)),
    Clause(step="denied", reason="autonomy_observe", condition=({"autonomy": "observe"},)),
    Clause(step="denied", reason="autonomy_suggest", condition=({"autonomy": "suggest"},)),
    Clause(step="escalate", reason="matched", condition=({"wish": "escalate"},)),
    Clause(
        step="escalate",
        reason="attempts_used_up",
        condition=({"$gte": {"attempts": {"$m": "max_attempts"}}},),
    ),
    Clause(step="escalate", reason="permanent_failure", condition=({"permanent_failure": True},)),
    Clause(step="escalate", reason="rejected", condition=({"approval": "rejected"},)),
    Clause(step="escalate", reason="approval_expired", condition=({"approval": "expired"},)),
    Clause(step="hold", reason="brake", condition=({"hold": "brake"},)),
    Clause(step="hold", reason="network_suspected", condition=({"hold": "network_suspected"},)),
    Clause(step="hold", reason="breaker_open", condition=({"hold": "breaker_open"},)),
    Clause(step="hold", reason="rate_limited", condition=({"hold": "rate_limited"},)),
    Clause(step="hold", reason="blast_radius", condition=({"hold": "blast_radius"},)),
    Clause(step="hold", reason="cooling_down", condition=({"hold": "cooling_down"},)),
    Clause(step="hold", reason="busy", condition=({"hold": "busy"},)),
    Clause(step="wait", reason="backing_off", condition=({"$gt": {"backoff_left_s": 0.0}},)),
    Clause(step="await_approval", reason="approval_pending", condition=({"approval": "pending"},)),
    Clause(
        step="request_approval",
        reason="approval_needed",
        condition=({"approval_needed": True}, {"approval": "none"}),
    ),
    Clause(step="run", reason="matched"),
)
"""The first clause whose condition holds decides about a standing.

Used up attempts come before an open breaker, so that the last failure is escalated and not held.
"""

NO_RULE: Final = Verdict(step="escalate", reason="no_rule", rule=None)
_UNFIT: Final = frozenset({"not_declared", "parameters_invalid"})


def choose(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the one verdict that counts, of those of the matched rules in their order.

    1. One that suppresses. 2. The first that is not about a rule that cannot be followed here,
    for want of an action or of fitting parameters. 3. The first. 4. Nothing matched: escalate.
    """
    told = list(verdicts)
    suppressed = (verdict for verdict in told if verdict.step == "suppress")
    fit = (verdict for verdict in told if verdict.reason not in _UNFIT)
    return next(suppressed, None) or next(fit, None) or next(iter(told), NO_RULE)
