"""From which value on a metric is a matter, and for how long it must be so."""

import re
from collections.abc import Mapping
from typing import Any, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from config.quoting import shown
from config.section import Section

BUILT_IN: Final[Mapping[str, Mapping[str, Any]]] = {
    "cpu_percent": {"above": 80},
    "memory_percent": {"above": 85},
    "error_rate_percent": {"above": 5},
    "response_ms": {"above": 2000},
}
_MOST_SAMPLES: Final = 100
_SAMPLES: Final = re.compile(r"([0-9]{1,4})(?:\s+of\s+([0-9]{1,4}))?")
_OTHER_SIDE: Final = {"above": "below", "below": "above"}


class Threshold(Section, populate_by_name=True):
    """A limit: crossed when `needed` of the last `window` samples are beyond it."""

    above: float | None = None
    below: float | None = None
    for_: str = Field(default="2 of 3", validation_alias="for", serialization_alias="for")
    severity: Literal["warning", "critical"] = "warning"

    @property
    def needed(self) -> int:
        """How many samples must be beyond the limit."""
        return int(self.for_.split(" of ")[0])

    @property
    def window(self) -> int:
        """Of how many samples, the last ones."""
        return int(self.for_.split(" of ")[1])

    @field_validator("for_", mode="before")
    @classmethod
    def _write_in_full(cls, given: object) -> str:
        """Return `3` as `3 of 3`."""
        text = str(given) if isinstance(given, int) and not isinstance(given, bool) else given
        found = _SAMPLES.fullmatch(text.strip()) if isinstance(text, str) else None
        if found is None:
            raise ValueError(f"must be a number of samples, as 3 or 2 of 3, got {shown(given)}")
        needed, window = int(found[1]), int(found[2] or found[1])
        if not 1 <= needed <= window <= _MOST_SAMPLES:
            raise ValueError(
                f"must be N of M samples with N from 1 to M and M at most {_MOST_SAMPLES},"
                f" got {shown(given)}"
            )
        return f"{needed} of {window}"

    @model_validator(mode="after")
    def _have_one_side(self) -> Self:
        if (self.above is None) == (self.below is None):
            got = "neither" if self.above is None else "both"
            raise ValueError(f"must have either above or below, got {got}")
        return self


def built_in_thresholds() -> dict[str, Threshold]:
    """Return the thresholds of a project that says nothing of them."""
    return {metric: Threshold.model_validate(fields) for metric, fields in BUILT_IN.items()}


def thresholds_over(base: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the thresholds of `base` with those of `given` laid over them, field by field.

    One that is null in `given` is null; one that says `below` has no `above` from `base`, and
    the other way round.
    """
    merged: dict[str, Any] = {**base, **given}
    for metric, threshold in given.items():
        under = base.get(metric)
        if isinstance(threshold, Mapping) and isinstance(under, Mapping):
            hidden = {_OTHER_SIDE[key] for key in threshold if key in _OTHER_SIDE}
            kept = {key: value for key, value in under.items() if key not in hidden}
            merged[metric] = {**kept, **threshold}
    return merged
