"""Everything that is said of one project, with the default of everything that is not."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_serializer,
    field_validator,
)
from pydantic_core import InitErrorDetails

from config.action_relations import misfits, with_verbs_undo
from config.action_spec import ActionSpec
from config.addresses import RequestPath, Url
from config.durations import Duration, limits
from config.maintenance import MaintenanceWindow
from config.metric_sources import MetricSource
from config.names import Name, Tag, Word
from config.request_headers import Headers
from config.section import Section
from config.thresholds import BUILT_IN, Threshold, built_in_thresholds, thresholds_over

_ANY_SEQUENCE: Final = Field(strict=False)


class Paths(Section):
    """What the project offers below its URL; null is not offered and never asked for."""

    health: RequestPath | None = "/health"
    metrics: RequestPath | None = "/metrics"
    status: RequestPath | None = "/status"
    logs: RequestPath | None = "/logs"


class Intervals(Section):
    """How often to ask; `details` are the status and the logs."""

    health: Annotated[Duration, limits("1s", "1h")] = timedelta(seconds=10)
    metrics: Annotated[Duration, limits("1s", "1d")] = timedelta(seconds=30)
    details: Annotated[Duration, limits("5s", "1d")] = timedelta(seconds=60)


class Timeouts(Section):
    """How long a whole exchange may take, from connecting to the last byte."""

    health: Annotated[Duration, limits("100ms", "60s")] = timedelta(seconds=5)
    metrics: Annotated[Duration, limits("100ms", "60s")] = timedelta(seconds=10)
    details: Annotated[Duration, limits("100ms", "60s")] = timedelta(seconds=10)


class HealthPolicy(Section):
    """How many probes in a row make a status, and how soon a first failure is confirmed."""

    failure_threshold: int = Field(default=2, ge=1, le=20)
    success_threshold: int = Field(default=2, ge=1, le=20)
    confirm_after: Annotated[Duration, limits("0s", "10s")] = timedelta(milliseconds=250)


class TrendPolicy(Section):
    """When to warn ahead: the trend of `window` crosses a threshold within `horizon`."""

    enabled: bool = True
    window: Annotated[Duration, limits("10s", "1d")] = timedelta(minutes=10)
    horizon: Annotated[Duration, limits("10s", "7d")] = timedelta(minutes=15)
    min_samples: int = Field(default=8, ge=3, le=1000)


def _wanted(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries without those that are null: they are the ones to be removed."""
    return {name: entry for name, entry in given.items() if entry is not None}


def _check_together(actions: dict[str, ActionSpec]) -> dict[str, ActionSpec]:
    """Refuse what does not fit together, each where it was written."""
    details = [
        InitErrorDetails(type="value_error", loc=at, input=None, ctx={"error": ValueError(problem)})
        for at, problem in misfits(actions)
    ]
    if details:
        raise ValidationError.from_exception_data("actions", details)
    return actions


class ProjectSpec(Section):
    """One project. Its JSON form, `model_dump(mode="json", by_alias=True)`, reads back equal."""

    name: Name
    url: Url
    paths: Paths = Paths()
    intervals: Intervals = Intervals()
    timeouts: Timeouts = Timeouts()
    health_policy: HealthPolicy = HealthPolicy()
    thresholds: dict[Word, Threshold] = Field(default_factory=built_in_thresholds)
    trend: TrendPolicy = TrendPolicy()
    tags: Annotated[tuple[Tag, ...], _ANY_SEQUENCE] = ()
    depends_on: Annotated[tuple[Name, ...], _ANY_SEQUENCE] = ()
    autonomy: Literal["observe", "suggest", "approve", "auto"] = "suggest"
    headers: Headers = Field(default_factory=dict)
    metrics: dict[Word, MetricSource] = Field(default_factory=dict)
    actions: Annotated[dict[Word, ActionSpec], AfterValidator(_check_together)] = Field(
        default_factory=dict
    )
    maintenance: Annotated[tuple[MaintenanceWindow, ...], _ANY_SEQUENCE] = ()
    enabled: bool = True
    verify_tls: bool = True
    ca_file: Word | None = None
    max_body_bytes: int = Field(default=2_000_000, ge=1_000, le=20_000_000)

    @field_validator("thresholds", mode="before")
    @classmethod
    def _lay_over_built_in(cls, given: Any) -> Any:
        return _wanted(thresholds_over(BUILT_IN, given)) if isinstance(given, Mapping) else given

    @field_validator("headers", "metrics", mode="before")
    @classmethod
    def _leave_out_removed(cls, given: Any) -> Any:
        return _wanted(given) if isinstance(given, Mapping) else given

    @field_validator("actions", mode="before")
    @classmethod
    def _undo_as_verbs_do(cls, given: Any) -> Any:
        return with_verbs_undo(_wanted(given)) if isinstance(given, Mapping) else given

    @field_serializer("thresholds", mode="wrap")
    def _tell_removed(
        self, thresholds: dict[str, Threshold], write: SerializerFunctionWrapHandler
    ) -> dict[str, Any]:
        """Write a built-in threshold that was removed as null, or it would come back."""
        removed = [name for name in BUILT_IN if name not in thresholds]
        return {**dict.fromkeys(removed), **write(thresholds)}
