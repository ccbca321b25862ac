"""Play a schedule of faults against the platform, and end what nobody has healed."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from hub.fleet.schedule import FaultPlan

LOOK_EVERY_S = 0.5
EFFECT_WITHIN_S = 30.0
WAIT_FOR_EFFECT = {"prefer": "wait"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedFault:
    """What became of a plan.

    `injected_at` is the instant before the effect was asked for. `healed` tells whether the
    fault was gone before its time was over. `error` says why it could not be played.
    """

    plan: FaultPlan
    injected_at: datetime | None = None
    cleared_at: datetime | None = None
    healed: bool = False
    error: str | None = None


OnInjected = Callable[[FaultPlan, datetime], None]
OnCleared = Callable[[FaultPlan, datetime, bool], None]


async def play(
    plans: Iterable[FaultPlan],
    platform_url: str,
    on_injected: OnInjected | None = None,
    on_cleared: OnCleared | None = None,
) -> tuple[PlayedFault, ...]:
    """Play the plans, whose times count from this call, and return what became of each.

    1. At its time a fault is injected and `on_injected(plan, injected_at)` is called.
    2. Twice a second the director looks whether somebody healed it.
    3. When its time is over and nobody did, the director ends it.
    4. `on_cleared(plan, cleared_at, healed)` is called.

    A fault that cannot be played becomes an `error` and does not disturb the others.
    """
    started = asyncio.get_running_loop().time()
    async with httpx.AsyncClient(base_url=platform_url, timeout=EFFECT_WITHIN_S) as platform:
        return tuple(
            await asyncio.gather(
                *(_Scene(plan, platform, started, on_injected, on_cleared).play() for plan in plans)
            )
        )


class _Scene:
    def __init__(
        self,
        plan: FaultPlan,
        platform: httpx.AsyncClient,
        started: float,
        on_injected: OnInjected | None,
        on_cleared: OnCleared | None,
    ) -> None:
        self._plan = plan
        self._platform = platform
        self._started = started
        self._on_injected = on_injected
        self._on_cleared = on_cleared
        self._path = f"/projects/{plan.project}"

    async def play(self) -> PlayedFault:
        plan = self._plan
        injected_at: datetime | None = None
        try:
            await asyncio.sleep(self._left_s(plan.at_s))
            injected_at = await self._timed(self._inject())
            if self._on_injected:
                self._on_injected(plan, injected_at)
            healed = await self._wait_for_healing()
            if not healed:
                await self._post("clear")
        except httpx.HTTPError as error:
            reason = f"{type(error).__name__}: {error}"
            return PlayedFault(plan=plan, injected_at=injected_at, error=reason)
        cleared_at = datetime.now(UTC)
        if self._on_cleared:
            self._on_cleared(plan, cleared_at, healed)
        return PlayedFault(plan=plan, injected_at=injected_at, cleared_at=cleared_at, healed=healed)

    def _left_s(self, at_s: float) -> float:
        return max(self._started + at_s - asyncio.get_running_loop().time(), 0.0)

    @staticmethod
    async def _timed(effect: Awaitable[None]) -> datetime:
        at = datetime.now(UTC)
        await effect
        return at

    async def _inject(self) -> None:
        if self._plan.kind == "errors":
            major = int((await self._project())["version"].split(".")[0])
            await self._post("deploy", {"version": f"{major + 1}.0.0", "bad": True})
        else:
            await self._post("fault", {"kind": self._plan.kind})

    async def _wait_for_healing(self) -> bool:
        while (left_s := self._left_s(self._plan.ends_at_s)) > 0:
            await asyncio.sleep(min(LOOK_EVERY_S, left_s))
            if await self._is_healed():
                return True
        return False

    async def _is_healed(self) -> bool:
        project = await self._project()
        if self._plan.kind == "crash":
            return bool(project["state"] != "crashed")
        return project["faults"] is not None and self._plan.kind not in project["faults"]

    async def _project(self) -> dict[str, Any]:
        reply = await self._platform.get(self._path)
        reply.raise_for_status()
        project: dict[str, Any] = reply.json()
        return project

    async def _post(self, action: str, body: dict[str, object] | None = None) -> None:
        reply = await self._platform.post(
            f"{self._path}/{action}", json=body or {}, headers=WAIT_FOR_EFFECT
        )
        reply.raise_for_status()
