"""One cycle of an agent: what it tells, and how it ended."""

import logging
from concurrent import futures
from dataclasses import dataclass, field
from datetime import UTC, datetime

MOST_LINES = 200
STOP_WITHIN_S = 3.0
"""How long a hub that stops waits for its open flow runs to be written."""


@dataclass(slots=True)
class Cycle:
    """One cycle of an agent, in the words that its flow run shows.

    Lines beyond 200 are counted and not kept. `tags` are added to those of every run.
    """

    agent: str
    hub: str
    started_at: datetime
    name: str
    lines: list[tuple[int, str]] = field(default_factory=list)
    tags: frozenset[str] = frozenset()
    summary: str = ""
    left_out: int = 0
    logged_at: list[datetime] = field(default_factory=list, repr=False)

    def log(self, message: str, level: int = logging.INFO) -> None:
        if len(self.lines) >= MOST_LINES:
            self.left_out += 1
            return
        self.lines.append((level, message))
        self.logged_at.append(datetime.now(UTC))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a cycle ended; `error` is None unless it failed."""

    ended_at: datetime
    cancelled: bool = False
    error: BaseException | None = None


@dataclass(slots=True, eq=False)
class Followed:
    """A cycle on its way to Prefect: the outcome comes when the work has ended."""

    cycle: Cycle
    outcome: "futures.Future[Outcome]"
