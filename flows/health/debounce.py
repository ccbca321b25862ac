"""When a project's status changes: not at the first odd answer, but at the second in a row."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from config.projects_file import HealthPolicy
from data.records import HealthSample, HealthStatus

_RANK: dict[HealthStatus, int] = {"healthy": 0, "unknown": 0, "degraded": 1, "down": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A project's settled status, and the probes in a row that disagree with it."""

    status: HealthStatus
    since: datetime
    disagreeing: int = 0
    disagreeing_since: datetime | None = None
    disagreeing_worse: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a probe means: the new standing, and why.

    `next_step` is "settled" (nothing to do), "confirm" (probe again at once) or "changed".
    """

    standing: Standing
    next_step: Literal["settled", "confirm", "changed"]


def judge(policy: HealthPolicy, standing: Standing, sample: HealthSample) -> Verdict:
    """Weigh one probe against the settled status.

    1. A probe that agrees ends any disagreement.
    2. Probes in a row that are worse than the status change it at `failure_threshold`, better
       ones at `success_threshold`; the newest probe names the new status, the first of the row
       the instant since when.
    3. Out of unknown, one healthy probe is enough; unknown itself (nothing could be asked)
       settles at once, because nothing is claimed of the project by it.
    """
    if sample.status == standing.status:
        return Verdict(
            standing=Standing(status=standing.status, since=standing.since), next_step="settled"
        )
    if sample.status == "unknown" or (standing.status == "unknown" and sample.status == "healthy"):
        return Verdict(
            standing=Standing(status=sample.status, since=sample.recorded_at), next_step="changed"
        )
    worse = _RANK[sample.status] > _RANK[standing.status]
    needed = policy.failure_threshold if worse else policy.success_threshold
    goes_on = standing.disagreeing > 0 and standing.disagreeing_worse == worse
    count = standing.disagreeing + 1 if goes_on else 1
    first_at = (standing.disagreeing_since if goes_on else None) or sample.recorded_at
    if count >= needed:
        return Verdict(standing=Standing(status=sample.status, since=first_at), next_step="changed")
    return Verdict(
        standing=Standing(
            status=standing.status,
            since=standing.since,
            disagreeing=count,
            disagreeing_since=first_at,
            disagreeing_worse=worse,
        ),
        next_step="confirm",
    )
