"""The defaults of a file laid under each of its projects."""

from collections.abc import Mapping
from typing import Any

from config.thresholds import thresholds_over


def project_over(defaults: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what holds for a project: its own words, and the defaults where it has none.

    Mappings are laid together at every depth; lists and texts replace. A section with nothing in
    it leaves the defaults as they are; deeper down, null removes.
    """
    said = {key: value for key, value in given.items() if value is not None or key not in defaults}
    merged = _over(defaults, said)
    limits = defaults.get("thresholds"), said.get("thresholds")
    if isinstance(limits[0], Mapping) and isinstance(limits[1], Mapping):
        merged["thresholds"] = thresholds_over(limits[0], limits[1])
    return merged


def _over(base: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**base, **given}
    for key, value in given.items():
        under = base.get(key)
        if isinstance(value, Mapping) and isinstance(under, Mapping):
            merged[key] = _over(under, value)
    return merged
