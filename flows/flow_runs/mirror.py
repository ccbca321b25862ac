"""Writes cycles to Prefect, each as one run of a real flow; imported only when Prefect is used."""

import asyncio
import logging
import os
import traceback
from collections.abc import Coroutine
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from prefect import Flow, flow, tags
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import State
from prefect.context import AsyncClientContext, FlowRunContext, SyncClientContext
from prefect.exceptions import ObjectNotFound, PrefectSignal
from prefect.states import Cancelled, Completed, Crashed, Failed

from flows.flow_runs.cycle import STOP_WITHIN_S, Cycle, Followed, Outcome
from flows.flow_runs.reachability import Reachability

logger = logging.getLogger(__name__)

OUR_TAG = "opslore"
TROUBLE_TAG = "trouble"
MOST_LEFT_OPEN = 100
MOST_TRACEBACK = 20_000
_NOWHERE = Path(os.devnull)  # without a place, each run asks the API twice what the default is
BATCH = 50  # the API takes no more
MOST_BATCHES = 4

_OVER = ["COMPLETED", "FAILED", "CANCELLED", "CRASHED"]
_OPEN = ["PENDING", "RUNNING", "CANCELLING"]
_Line = tuple[datetime, int, str]

_LOST = "The hub stopped, or lost Prefect's API, before this cycle ended."
_GAP = "Prefect's API was away from {:%H:%M:%S} to {:%H:%M:%S} UTC; monitoring went on"


class Mirror:
    """Takes cycles and keeps their flow runs; lives in one event loop."""

    def __init__(self, hub: str, reachability: Reachability) -> None:
        self.written = 0
        self.failed = 0
        self.over = 0
        self._hub = hub
        self._reachability = reachability
        self._inbox: asyncio.Queue[Followed | None] = asyncio.Queue()
        self._open: dict[asyncio.Task[None], _Run] = {}
        self._left_open: dict[UUID, State[Any]] = {}
        self._closing: asyncio.Task[None] | None = None
        self._gap: _Line | None = None
        self._was_reachable = False
        self._client: PrefectClient

    def take(self, followed: Followed) -> None:
        self._inbox.put_nowait(followed)

    def close(self) -> None:
        self._inbox.put_nowait(None)

    async def run(self) -> None:
        """Mirror until closed, with one connected client for all runs."""
        with SyncClientContext.get_or_create():
            async with AsyncClientContext.get_or_create() as shared:
                self._client = shared.client
                watching = asyncio.create_task(self._reachability.watch(self._welcome_back))
                while (followed := await self._inbox.get()) is not None:
                    self._begin(followed)
                watching.cancel()
                await self._end()

    async def prune(self, before: datetime) -> int:
        """Delete our runs that began before; at most 200 in one call."""
        pruned = 0
        wanted = _ours(state=_OVER + _OPEN, before=before)
        for _ in range(MOST_BATCHES):
            answer = await self._post("/flow_runs/bulk_delete", flow_runs=wanted, limit=BATCH)
            deleted = len(answer["deleted"])
            pruned += deleted
            if deleted < BATCH:
                break
        return pruned

    def _begin(self, followed: Followed) -> None:
        if self._left_open and (self._closing is None or self._closing.done()):
            self._closing = asyncio.create_task(self._close_left_open())
        run = _Run(followed, self)
        task = asyncio.create_task(self._keep(run), name=followed.cycle.name)
        self._open[task] = run
        task.add_done_callback(self._forget)

    async def _keep(self, run: "_Run") -> None:
        cycle = run.followed.cycle
        _current.set(run)
        try:
            with tags(OUR_TAG, f"hub:{self._hub}", f"agent:{cycle.agent}", *cycle.tags):
                shown = await flow_named(cycle.agent)(
                    hub=self._hub, started_at=cycle.started_at.isoformat(), return_state=True
                )
        except (Exception, PrefectSignal) as error:  # Prefect's trouble, never the work's
            self.failed += 1
            self._reachability.doubt()
            logger.info("the flow run %r was not written: %s", cycle.name, error)
            self._leave_open(run)
        else:
            self.written += 1
            if shown.is_failed() and run.state and not run.state.is_failed():
                self._leave_open(run)  # the engine takes a lost answer for a failure of the flow

    def _leave_open(self, run: "_Run") -> None:
        if run.id and run.state and len(self._left_open) < MOST_LEFT_OPEN:
            self._left_open[run.id] = run.state

    def _forget(self, task: "asyncio.Task[None]") -> None:
        del self._open[task]
        self.over += 1

    async def finish(self, run: "_Run", outcome: Outcome) -> None:
        """Write the lines of a cycle that has ended, and its tags if it saw trouble."""
        cycle = run.followed.cycle
        gap = self._take_gap(cycle)
        lines = [*([gap] if gap else []), *_lines(cycle, outcome)]
        entries: list[dict[str, Any]] = [
            {
                "name": f"opslore.{cycle.agent}",
                "level": level,
                "message": message,
                "timestamp": at.isoformat(),
                "flow_run_id": str(run.id),
            }
            for at, level, message in lines
        ]
        try:
            if entries:
                await self._client.create_logs(entries)
            if run.id is not None and (added := _tags_at_the_end(cycle, outcome)):
                given = [OUR_TAG, f"hub:{self._hub}", f"agent:{cycle.agent}"]
                await self._client.update_flow_run(run.id, tags=[*given, *sorted(added)])
        except httpx.HTTPError as error:
            self._gap = self._gap or gap
            self._reachability.doubt()
            logger.info("the lines of the flow run %r were not written: %s", cycle.name, error)

    def _take_gap(self, cycle: Cycle) -> _Line | None:
        """Return the line that tells of an absence, to the first cycle that began after it."""
        if self._gap is None or cycle.started_at < self._gap[0]:
            return None
        gap, self._gap = self._gap, None
        return gap

    async def _welcome_back(self, away_since: datetime) -> None:
        """Close the runs that stayed open when the API, or a hub of our name, went away."""
        now = datetime.now(UTC)
        await self._close_left_open()
        known = [str(run.id) for run in self._open.values() if run.id is not None]
        lost: State[None] = Crashed(
            message="The hub stopped, or lost Prefect's API, before this cycle ended."
        )
        await self._post(
            "/flow_runs/bulk_set_state",
            flow_runs=_ours(state=_OPEN, before=away_since, hub=self._hub, but=known),
            state={"type": lost.type.value, "name": lost.name, "message": lost.message},
            force=True,
            limit=BATCH,
        )
        if self._was_reachable:
            self._gap = now, logging.WARNING, _GAP.format(away_since, now)
        self._was_reachable = True

    async def _close_left_open(self) -> None:
        """Give runs whose last write failed the state they should have ended in."""
        while self._left_open:
            run_id, state = self._left_open.popitem()
            try:
                await self._client.set_flow_run_state(run_id, state, force=True)
            except ObjectNotFound:
                continue
            except httpx.HTTPError:
                self._left_open[run_id] = state
                return

    async def _post(self, path: Any, **body: Any) -> Any:
        return (await self._client.request("POST", path, json=body)).json()

    async def _end(self) -> None:
        """Let open runs be written, those whose work goes on as cancelled."""
        for run in self._open.values():
            if not run.followed.outcome.done():
                run.followed.outcome.set_result(Outcome(ended_at=datetime.now(UTC), cancelled=True))
        if self._open:
            await asyncio.wait(self._open, timeout=STOP_WITHIN_S - 1.0)


@dataclass(eq=False, slots=True)
class _Run:
    """One open flow run: known to Prefect from `id` on, decided from `state` on."""

    followed: Followed
    mirror: Mirror
    id: UUID | None = None
    state: State[Any] | None = None


_current: ContextVar[_Run] = ContextVar("the run of this task")


@cache
def flow_named(agent: str) -> Flow[..., Coroutine[Any, Any, State[Any]]]:
    """Return the flow that mirrors an agent's cycles."""
    return flow(
        name=agent,
        flow_run_name=_run_name,
        description=f"One cycle of the agent {agent!r}, as it happened in the hub.",
        persist_result=False,
        result_storage=_NOWHERE,
        retries=0,
        log_prints=False,
        validate_parameters=False,
    )(_mirrored)


async def _mirrored(hub: str, started_at: str) -> State[Any]:
    """Wait for the cycle to end, write its lines and take over its outcome."""
    run = _current.get()
    context = FlowRunContext.get()
    assert context is not None
    assert context.flow_run is not None
    run.id = context.flow_run.id
    outcome = await asyncio.wrap_future(run.followed.outcome)
    run.state = _state(run.followed.cycle, outcome)
    await run.mirror.finish(run, outcome)
    return run.state


def _run_name() -> str:
    return _current.get().followed.cycle.name


def _state(cycle: Cycle, outcome: Outcome) -> State[Any]:
    if outcome.cancelled:
        return Cancelled(message=cycle.summary or "The hub stopped during this cycle.")
    if outcome.error is not None:
        return Failed(message=f"{type(outcome.error).__name__}: {outcome.error}")
    return Completed(message=cycle.summary or None)


def _lines(cycle: Cycle, outcome: Outcome) -> list[_Line]:
    """Return what a run shows: the cycle's lines, what was left out, the error, the summary."""
    lines = [
        (at, level, message)
        for at, (level, message) in zip(cycle.logged_at, cycle.lines, strict=False)
    ]
    at = outcome.ended_at
    if cycle.left_out:
        lines.append((at, logging.WARNING, f"{cycle.left_out} more lines were left out"))
    if outcome.error is not None:
        text = "".join(traceback.format_exception(outcome.error))
        lines.append((at, logging.ERROR, text[-MOST_TRACEBACK:]))
    if cycle.summary:
        lines.append((at, logging.INFO, cycle.summary))
    return lines


def _tags_at_the_end(cycle: Cycle, outcome: Outcome) -> frozenset[str]:
    """Return the tags that a run gets because of how it went; empty when nothing is added."""
    trouble = outcome.error is not None or any(level >= logging.WARNING for level, _ in cycle.lines)
    return cycle.tags | {TROUBLE_TAG} if trouble else frozenset()


def _ours(
    *, state: list[str], before: datetime, hub: str | None = None, but: list[str] | None = None
) -> dict[str, Any]:
    """Return the filter for flow runs of ours, of one hub if given."""
    return {
        "tags": {"all_": [OUR_TAG, *([f"hub:{hub}"] if hub else [])]},
        "state": {"type": {"any_": state}},
        "expected_start_time": {"before_": before.isoformat()},
        **({"id": {"not_any_": but}} if but else {}),
    }
