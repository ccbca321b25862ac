"""What a rule can be asked about: the incident, called the signal, and the facts beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

FieldValue = str | float | bool | None | tuple[str, ...]
"""What a field holds; a tuple holds tags, None says that the field is missing."""

FieldKind = Literal["text", "number", "flag", "tags"]
FactType = Literal["incident", "deploy", "action", "maintenance", "silence"]

METRICS: Final = "metrics."
"""Begins the name of a signal's field that holds the newest value of a metric of the project."""

SIGNAL_FIELDS: Final[Mapping[str, FieldKind]] = {
    "kind": "text",
    "project": "text",
    "severity": "text",
    "title": "text",
    "metric": "text",
    "detector": "text",
    "direction": "text",
    "value": "number",
    "extreme": "number",
    "threshold": "number",
    "baseline": "number",
    "age_s": "number",
    "attempts": "number",
    "hour": "number",
    "weekday": "text",
    "dependents": "number",
    "dependency": "text",
    "status": "text",
    "version": "text",
    "autonomy": "text",
    "tags": "tags",
}
"""The fields of a signal, beside those that begin with `metrics.`.

`weekday` is mon to sun; `dependency` is the first project that the signal's own depends on.
"""

FACT_FIELDS: Final[Mapping[FactType, Mapping[str, FieldKind]]] = {
    "incident": {
        "project": "text",
        "kind": "text",
        "severity": "text",
        "state": "text",
        "value": "number",
        "tags": "tags",
        "dependency": "text",
        "shared_dependency": "text",
        "down": "flag",
    },
    "deploy": {
        "project": "text",
        "status": "text",
        "from_version": "text",
        "version": "text",
    },
    "action": {
        "project": "text",
        "action": "text",
        "state": "text",
        "rule": "text",
        "by": "text",
    },
    "maintenance": {"project": "text", "reason": "text"},
    "silence": {"project": "text", "kind": "text", "reason": "text"},
}
"""The fields of each type of fact.

An incident's `state` is open or resolved, a deploy's `status` is finished; `shared_dependency` is
the first project that both the incident's project and the signal's depend on.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """The open incident as the rules see it."""

    at: datetime
    fields: Mapping[str, FieldValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something recent beside the incident; `at` is when it happened or began."""

    type: FactType
    at: datetime
    fields: Mapping[str, FieldValue]


def signal_field_kind(name: str) -> FieldKind | None:
    """Return what a signal's field holds, or None when there is no such field."""
    if name.startswith(METRICS) and len(name) > len(METRICS):
        return "number"
    return SIGNAL_FIELDS.get(name)
