"""What a poll cycle did, counted for its flow run and for the hub's own record."""

import math
from dataclasses import dataclass, field

from data.records import HealthSample, MetricSample


@dataclass(slots=True)
class Tally:
    """Counts since the last reset."""

    probes: int = 0
    scrapes: int = 0
    failed_scrapes: int = 0
    skipped: int = 0
    worst_lag_s: float = 0.0
    response_ms: list[float] = field(default_factory=list)
    unwell: dict[str, str] = field(default_factory=dict)

    def note_probe(self, sample: HealthSample) -> None:
        self.probes += 1
        if sample.response_ms is not None and sample.status != "down":
            self.response_ms.append(sample.response_ms)
        if sample.status == "healthy":
            self.unwell.pop(sample.project, None)
        else:
            self.unwell[sample.project] = f"{sample.status}: {sample.detail or 'no detail'}"

    def note_scrape(self, sample: MetricSample) -> None:
        self.scrapes += 1
        self.failed_scrapes += sample.response_ms is None

    def summary(self, held: int) -> str:
        """Return the cycle in one line."""
        parts = [f"{held} projects", f"{self.probes} probes", f"{self.scrapes} scrapes"]
        if self.failed_scrapes:
            parts.append(f"{self.failed_scrapes} of them failed")
        if self.unwell:
            parts.append(f"{len(self.unwell)} not healthy")
        if self.response_ms:
            parts.append(f"p95 {percentile(self.response_ms, 0.95):.0f} ms")
        if self.skipped:
            parts.append(f"{self.skipped} skipped because the one before was not over")
        return ", ".join(parts)


def percentile(values: list[float], share: float) -> float:
    """Return the value below which `share` (0 to 1) of the values lie, by nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
