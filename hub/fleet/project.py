"""What the three demo projects have in common: traffic, faults, pauses, the standard API."""

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from hub.fleet.asgi_json import send_json
from hub.fleet.faults import Faults
from hub.fleet.members import FaultKind
from hub.fleet.story import Line, Narrator, Plot
from hub.fleet.vitals import Profile, Vitals
from hub.standard_api import Receive, Scope, Send, StandardAPI

STEP_S = 0.25
WINDOW_S = 5  # error rate and response times: short, so that the demo need not wait a minute


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a demo process was started."""

    port: int
    seed: int = 1
    version: str
    deployed_at: datetime
    config_revision: int = 7
    fault: FaultKind | None = None
    peers: Mapping[str, str] = field(default_factory=dict)


class DemoProject(ABC):
    """A project whose work is pretended and whose process, port and answers are real."""

    name: ClassVar[str]
    purpose: ClassVar[str]
    profile: ClassVar[Profile]
    usual_lines: ClassVar[tuple[Line, ...]]
    plots: ClassVar[Mapping[FaultKind, Plot]]

    def __init__(self, options: Options) -> None:
        self.options = options
        self.faults = Faults()
        self.vitals = Vitals(self.profile, self.faults, seed=options.seed)
        self.log = logging.getLogger(self.name)
        self.config_revision = options.config_revision
        self._narrator = Narrator(self.log, self.usual_lines, self.plots)
        self.api = StandardAPI(
            self.answer,
            name=self.name,
            version=options.version,
            deployed_at=options.deployed_at,
            details={"config_revision": self.config_revision},
            window_s=WINDOW_S,
            checks=self.checks(),
            gauges=self.gauges(),
            cpu_percent=self.vitals.cpu_percent,
            memory_percent=self.vitals.memory_percent,
        )

    @abstractmethod
    def gauges(self) -> dict[str, Callable[[], float]]:
        """Return the business metrics."""

    @abstractmethod
    def checks(self) -> dict[str, Callable[[], tuple[str, str]]]:
        """Return the health checks."""

    @abstractmethod
    def work(self, requests: int, errors: int) -> None:
        """Do the pretended work of one step."""

    def figures(self) -> dict[str, object]:
        """Return the numbers that log lines may quote."""
        gauges = {name: round(read(), 2) for name, read in self.gauges().items()}
        return {
            **gauges,
            "memory": round(self.vitals.memory_percent()),
            "cpu": round(self.vitals.cpu_percent()),
            "wait_s": round(self.vitals.response_ms() / 1000, 1),
            "version": self.options.version,
            "revision": self.config_revision,
        }

    def error_rate_percent(self) -> float:
        """Return the share of requests that fail now."""
        return self.vitals.error_rate_percent()

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is neither the standard API nor a control."""
        if scope["path"] == "/":
            await send_json(send, 200, {"project": self.name, "purpose": self.purpose})
        else:
            await send_json(send, 404, {"error": "not found"})

    def inject(self, kind: FaultKind, seconds: float | None) -> None:
        """Start a fault; the tangled one is a configuration that was reloaded."""
        if kind == "tangled" and "tangled" not in self.faults.active():
            self._load_config(self.config_revision + 1)
        self.faults.inject(kind, seconds)

    def clear(self, *kinds: FaultKind) -> None:
        """End the named faults, or all; the end of the tangled one is the old configuration."""
        kinds = kinds or self.faults.active()
        if "tangled" in kinds and "tangled" in self.faults.active():
            self._load_config(self.config_revision - 1)
            self.log.info("configuration reverted: revision %d", self.config_revision)
        if kinds:
            self.faults.clear(*kinds)

    def _load_config(self, revision: int) -> None:
        self.config_revision = revision
        self.api.details["config_revision"] = revision

    def clear_cache(self) -> None:
        """Give memory back, which ends a leak."""
        self.faults.clear("leak")
        self.log.info("caches cleared, memory at %.0f %%", self.vitals.memory_percent())

    def pause(self) -> None:
        """Take no more work; the job that made a spike is stopped, too."""
        self.faults.clear("spike")
        self.vitals.paused = True
        self.api.state = "paused"
        self.log.info("paused: no new work is taken")

    def resume(self) -> None:
        """Take work again."""
        self.vitals.paused = False
        self.api.state = "running"
        self.log.info("resumed")

    def step(self, seconds: float) -> None:
        """Let the traffic of the last `seconds` happen."""
        self.faults.step()
        requests = self.vitals.requests(seconds)
        if requests:
            errors = self.vitals.errors_among(requests, self.error_rate_percent())
            self._observe(requests, errors)
            self.work(requests, errors)
        if requests or self.faults.active():
            self._narrator.tell(time.monotonic(), self.faults.active(), self.figures())

    def _observe(self, requests: int, errors: int) -> None:
        """Spread the requests over four response times, so that there is a percentile to tell."""
        share = (requests - errors) // 4
        for factor in (0.6, 0.8, 1.0):
            self.api.observe(self.vitals.response_ms() * factor, times=share)
        rest = requests - errors - 3 * share
        self.api.observe(self.vitals.response_ms() * 1.6, times=rest)
        self.api.observe(self.vitals.response_ms(), failed=True, times=errors)

    async def run(self) -> None:
        """Work until cancelled."""
        self.log.info("%s %s started", self.name, self.options.version)
        if self.options.fault is not None:
            self.faults.inject(self.options.fault)
        while True:
            self.step(STEP_S)
            await asyncio.sleep(STEP_S)
