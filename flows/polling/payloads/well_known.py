"""The names under which projects report the four metrics that every project has."""

import re
from typing import Final, NamedTuple

FIELDS: Final = ("cpu_percent", "memory_percent", "error_rate_percent", "response_ms")

# Field, factor, names; a name that stands earlier wins. Left out on purpose: "cpu_utilization"
# and a system's or process's "cpu_usage" (Micrometer and OpenTelemetry report ratios under
# these names), "memory_usage" (most report bytes), "response_time" and "latency" (no unit).
_NAMES: Final = (
    (
        "cpu_percent",
        1,
        "cpu_percent cpu_usage_percent cpu_used_percent cpu_utilization_percent cpu_load_percent "
        "cpu_percentage cpu_pct cpu_usage cpu",
    ),
    ("cpu_percent", 100, "cpu_usage_ratio cpu_utilization_ratio cpu_ratio"),
    (
        "memory_percent",
        1,
        "memory_percent mem_percent memory_usage_percent memory_used_percent mem_usage_percent "
        "mem_used_percent memory_utilization_percent ram_percent memory_percentage memory_pct "
        "mem_pct",
    ),
    ("memory_percent", 100, "memory_usage_ratio memory_used_ratio memory_utilization_ratio "
                            "memory_ratio mem_ratio"),
    (
        "error_rate_percent",
        1,
        "error_rate_percent errors_percent error_percent error_rate_pct failure_rate_percent "
        "error_rate",
    ),
    ("error_rate_percent", 100, "error_rate_ratio errors_ratio error_ratio failure_ratio"),
    (
        "response_ms",
        1,
        "response_ms response_time_ms latency_ms response_time_avg_ms avg_response_time_ms "
        "avg_response_ms avg_latency_ms latency_avg_ms request_duration_ms "
        "response_time_milliseconds latency_milliseconds",
    ),
    (
        "response_ms",
        1_000,
        "response_seconds response_time_seconds latency_seconds avg_response_time_seconds "
        "request_duration_seconds response_time_s latency_s",
    ),
)  # fmt: skip
_CONTAINERS: Final = re.compile(
    r"(?:(?:app|data|gauges|host|metrics|performance|process|resources|service|stats|system|usage"
    r"|values)_)++"
)
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NO_WORD: Final = re.compile(r"[^a-z0-9]++")
_LONGEST_NAME: Final = 100
_STEM: Final = re.compile("cpu|mem|ram|err|fail|resp|lat|duration")
_RATIOS_ELSEWHERE: Final = ("system_cpu_usage", "process_cpu_usage")


class Alias(NamedTuple):
    """A field under another name: value of the field = factor * value. Low preference wins."""

    field: str
    preference: int
    factor: float


_ALIASES: Final = {
    name: Alias(field, preference, factor)
    for preference, (name, field, factor) in enumerate(
        (name, field, factor) for field, factor, names in _NAMES for name in names.split()
    )
}


def alias_of(name: str) -> Alias | None:
    """Return what a metric's name stands for, however it is spelt.

    `cpu.percent`, `cpuPercent`, `system.cpu_percent` and `cpu_percent.value` are all one.
    """
    if len(name) > _LONGEST_NAME or not _STEM.search(name.lower()):
        return None
    spelt = _NO_WORD.sub("_", _HUMP.sub("_", name).lower()).strip("_").removesuffix("_value")
    if spelt in _ALIASES:
        return _ALIASES[spelt]
    if spelt.endswith(_RATIOS_ELSEWHERE):
        return None
    container = _CONTAINERS.match(spelt)
    return _ALIASES.get(spelt[container.end() :]) if container else None
