"""The agents of one hub, run together; their heartbeats written together."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

from data import agents, events
from data.database import Database, DatabaseError
from data.events import NewEvent
from flows.agent import Agent, Runs

logger = logging.getLogger(__name__)


class Crew:
    """Runs agents until it is cancelled and tells the database every `heartbeat_s` how they are."""

    def __init__(
        self, database: Database, hub: str, members: Sequence[Agent], *, heartbeat_s: float
    ) -> None:
        self._database = database
        self._hub = hub
        self._members = members
        self._heartbeat_s = heartbeat_s
        self._background: set[asyncio.Task[None]] = set()

    async def run(self, runs: Runs) -> None:
        """Work until cancelled; then stop the agents in the reverse of their order."""
        tasks = [
            asyncio.create_task(member.run(runs, self._report), name=member.name)
            for member in self._members
        ]
        try:
            while True:
                await self._beat()
                await asyncio.sleep(self._heartbeat_s)
        finally:
            for task in reversed(tasks):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            await self._beat()

    async def _beat(self) -> None:
        try:
            await agents.beat(
                self._database, self._hub, [member.heartbeat() for member in self._members]
            )
        except DatabaseError as error:
            logger.warning("heartbeats were not written: %s", error)

    def _report(self, agent: Agent, error: Exception) -> None:
        task = asyncio.create_task(self._record_failure(agent, error))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _record_failure(self, agent: Agent, error: Exception) -> None:
        with suppress(DatabaseError):
            await events.record(
                self._database,
                NewEvent(
                    occurred_at=datetime.now(UTC),
                    hub=self._hub,
                    agent=agent.name,
                    kind="AgentFailed",
                    severity="warning",
                    message=f"{agent.name} failed and starts again: {agent.last_error}",
                    details={"error": type(error).__name__, "errors": agent.errors},
                ),
            )
