"""Everything that is said of one project, with the default of everything that is not."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    Field,
    SerializerFunctionWrapHandler,
    field_serializer,
    field_validator,
)

from config.addresses import RequestPath, Url
from config.durations import Duration, limits
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


def _check_json(value: Any) -> Any:
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise ValueError("must be made of texts, numbers, lists and mappings") from None
    if "\\u0000" in text:
        raise ValueError("must not hold a NUL character")
    return value


def _wanted(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries without those that are null: they are the ones to be removed."""
    return {name: entry for name, entry in given.items() if entry is not None}


Verbatim = Annotated[dict[str, Any], AfterValidator(_check_json)]


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
    actions: dict[Word, Verbatim] = Field(default_factory=dict)
    enabled: bool = True
    verify_tls: bool = True
    ca_file: Word | None = None
    max_body_bytes: int = Field(default=2_000_000, ge=1_000, le=20_000_000)

    @field_validator("thresholds", mode="before")
    @classmethod
    def _lay_over_built_in(cls, given: Any) -> Any:
        return _wanted(thresholds_over(BUILT_IN, given)) if isinstance(given, Mapping) else given

    @field_validator("headers", "metrics", "actions", mode="before")
    @classmethod
    def _leave_out_removed(cls, given: Any) -> Any:
        return _wanted(given) if isinstance(given, Mapping) else given

    @field_serializer("thresholds", mode="wrap")
    def _tell_removed(
        self, thresholds: dict[str, Threshold], write: SerializerFunctionWrapHandler
    ) -> dict[str, Any]:
        """Write a built-in threshold that was removed as null, or it would come back."""
        removed = [name for name in BUILT_IN if name not in thresholds]
        return {**dict.fromkeys(removed), **write(thresholds)}
