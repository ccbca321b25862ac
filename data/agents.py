"""The agents of every hub: alive since when, how much handled, what went wrong last."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

from psycopg.types.json import Jsonb

from data.database import Database
from data.named_sql import read_queries

_SQL = read_queries("agents")

AgentState = Literal["running", "restarting", "stopped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """What an agent tells of itself; counts are since `started_at`.

    `silent_s` is the time since its own last sign of life, so that an agent that hangs is seen
    although its process lives.
    """

    agent: str
    state: AgentState
    started_at: datetime
    silent_s: float
    handled: int
    errors: int
    last_error: str | None
    last_error_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRow:
    """An agent as another process sees it; `silent_s` is the age of its last heartbeat."""

    hub: str
    agent: str
    state: AgentState
    started_at: datetime
    heartbeat_at: datetime
    handled: int
    errors: int
    last_error: str | None
    last_error_at: datetime | None
    silent_s: float


async def beat(database: Database, hub: str, heartbeats: Sequence[Heartbeat]) -> None:
    """Record the heartbeats of one hub's agents in one statement."""
    given = Jsonb([asdict(heartbeat) for heartbeat in heartbeats])
    await database.execute(_SQL["beat"], {"hub": hub, "agents": given})


async def list_all(database: Database) -> list[AgentRow]:
    """Return every agent of every hub."""
    return [AgentRow(**row) for row in await database.fetch_all(_SQL["list_agents"])]
