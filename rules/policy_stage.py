"""The policy as a network: a standing is an event, and the first clause that holds takes it."""

import math
from collections.abc import Mapping
from typing import Any, Final

from rules.durable_host import EngineError, Network
from rules.durable_json import message_head, number_json
from rules.policy import POLICY, Standing, Verdict

_STANDING: Final = "standing"
_HEAD: Final = message_head(_STANDING, _STANDING)
_LONGEST_S: Final = 1e9


class PolicyStage:
    """The clauses of the policy, compiled; the rules of a book do not change them."""

    def __init__(self) -> None:
        self.network = Network(_rules())

    def ask(self, standing: Standing) -> Verdict:
        """Return what the policy says of one standing.

        Raises:
            EngineError: the engine failed.
        """
        state = self.network.post(_event(standing))
        fired = [] if state is None else self.network.drain(state)
        if len(fired) != 1:
            self.network.renew()
            raise EngineError("The policy did not decide")
        clause = POLICY[int(fired[0].rule.removeprefix("c"))]
        return Verdict(step=clause.step, reason=clause.reason, rule=standing.rule)


def _rules() -> Mapping[str, Any]:
    return {
        f"c{number}": {
            "pri": number,
            "all": [{"standing": {"$and": [{"_t": _STANDING}, *clause.condition]}}],
        }
        for number, clause in enumerate(POLICY)
    }


def _event(standing: Standing) -> str:
    """Return a standing as JSON; all texts in it are words of the policy, safe as they are."""
    left_s = standing.backoff_left_s
    bounded_s = 0.0 if math.isnan(left_s) else max(0.0, min(left_s, _LONGEST_S))
    return (
        f'{_HEAD},"wish":"{standing.wish}"'
        f',"declared":{_flag(standing.declared)}'
        f',"parameters_valid":{_flag(standing.parameters_valid)}'
        f',"autonomy":"{standing.autonomy}"'
        f',"approval_needed":{_flag(standing.approval_needed)}'
        f',"approval":"{standing.approval}"'
        f',"attempts":{standing.attempts}'
        f',"max_attempts":{standing.max_attempts}'
        f',"permanent_failure":{_flag(standing.permanent_failure)}'
        f',"hold":"{standing.hold}"'
        f',"backoff_left_s":{number_json(bounded_s)}}}'
    )


def _flag(value: bool) -> str:
    return "true" if value else "false"
