"""One try of an action, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from config.action_spec import ActionSpec, Scalar

MOST_DETAIL = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is to be done, once: the id of the attempt is its idempotency key."""

    attempt_id: UUID
    project: str
    action: str
    spec: ActionSpec
    parameters: Mapping[str, Scalar]
    actor: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a call.

    `failed`: certainly without effect, or the target itself said that it failed. `unknown`: it
    may have had its effect. `status` is the HTTP status or the exit code, negative for a signal.
    `detail` is one line without secrets. When `permanent`, trying again is useless.
    """

    result: Literal["done", "failed", "unknown"]
    detail: str
    status: int | None = None
    seconds: float = 0.0
    permanent: bool = False
