"""What a ranking says."""

from dataclasses import dataclass

from reasoning.causes.measured import FactKind, Measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A project that may have caused the incident, and by what.

    `kind` and `name` are those of the fact that tells most: a metric, a status, log lines, or a
    change to it just before. `score` is 0 to 1; it ranks and is no probability. `lead_s` is how
    long before the incident was opened it began, negative where that was after, None where
    nothing says when.
    """

    project: str
    kind: FactKind
    name: str
    score: float
    lead_s: float | None
    reason: str
    evidence: tuple[Measured, ...]

    @property
    def metric(self) -> str | None:
        """Return the metric that tells most, None where it is something else."""
        return self.name if self.kind == "metric" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """The likely causes, the likeliest first; where not `is_clear`, none of them stands out.

    `sufferers` are the projects of the neighbourhood in which something stands out, by name.
    """

    project: str
    causes: tuple[Cause, ...]
    is_clear: bool
    sufferers: tuple[str, ...]
