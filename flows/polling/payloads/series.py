"""The series of one project: how each is called, kept and used, worked out once."""

import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple
from zlib import crc32

from flows.polling.payloads.plain_text import without_controls
from flows.polling.payloads.redaction import redact_unmistakable

ROOM: Final = 200
"""The most series kept of one read, beside those that the mapping names."""

MOST_VALUE: Final = 1e300

_LONGEST_KEY: Final = 100
_LONGEST_RAW: Final = 1_000
_LONGEST_NAME: Final = 200
_MOST_SERIES: Final = 5_000
_MOST_NAMES: Final = 20_000
_PLAIN_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*+")
_SPACE: Final = re.compile(r"\s++")


class Roles(NamedTuple):
    """What a series is used for: in sources of the mapping, and as one of the four fields.

    `idle` are the sources whose counters it shows to be there without being one of them. As a
    field its value counts `factor` times; of several the one with the lowest rank wins.
    """

    slots: tuple[int, ...] = ()
    field: str | None = None
    factor: float = 1
    rank: int = 0
    idle: tuple[int, ...] = ()


class Series:
    """One series. `minor`: a histogram's bucket, a quantile or a creation time."""

    __slots__ = ("bare", "key", "minor", "roles")

    def __init__(self, name: str, labels: Mapping[str, str], roles: Roles | None) -> None:
        self.key = _key_of(name, labels)
        self.bare = not labels
        self.minor = is_minor(name) or "quantile" in labels
        self.roles = roles


class Intake:
    """What one read found, by key; `fed` are the series with a role.

    `passed_over` counts samples for which there was no room, `accepted` all others that are
    good, `faults` the lines that are not valid, the first of them on line `first_fault`.
    A minor series that is not finite is no news: a quantile is NaN until something is observed.
    """

    __slots__ = (
        "accepted", "faults", "fed", "first_fault", "minor", "not_finite", "notes", "passed_over",
        "plain",
    )  # fmt: skip

    def __init__(self) -> None:
        self.plain: dict[str, float] = {}
        self.minor: dict[str, float] = {}
        self.fed: dict[str, tuple[Series, float]] = {}
        self.accepted = self.passed_over = self.not_finite = 0
        self.faults = self.first_fault = 0
        self.notes: list[str] = []

    def is_full(self, *, minor: bool) -> bool:
        return len(self.minor if minor else self.plain) >= ROOM

    @property
    def found_any(self) -> bool:
        return bool(self.accepted or self.passed_over or self.not_finite)

    def add(self, series: Series, value: float) -> None:
        """Keep a value; of a series that is there already, the last wins."""
        if not -MOST_VALUE <= value <= MOST_VALUE:
            self.not_finite += not series.minor
            return
        self.accepted += 1
        if series.roles is not None:
            self.fed[series.key] = (series, value)
        elif series.minor:
            self.minor[series.key] = value
        else:
            self.plain[series.key] = value


class SeriesBook:
    """The series that were seen before, by their raw text, so that each is worked out once.

    `known` and `passable` are there to be looked up in a hot loop; both are bounded. `passable`
    tells for a metric's name whether its series are minor; a name in it has no role, so its
    series may be passed over where there is no room.
    """

    def __init__(
        self,
        roles_of: Callable[[str, Mapping[str, str]], Roles | None],
        concerns: Callable[[str], bool],
    ) -> None:
        self.known: dict[str, Series] = {}
        self.passable: dict[str, bool] = {}
        self._roles_of = roles_of
        self._concerns = concerns

    def open(self) -> None:
        """Begin a read: what grew too large is forgotten."""
        if len(self.known) >= _MOST_SERIES:
            self.known.clear()
        if len(self.passable) >= _MOST_NAMES:
            self.passable.clear()

    def series(self, raw: str, name: str, labels: Mapping[str, str]) -> Series:
        """Return the series, worked out and remembered under its raw text where it is new."""
        series = self.known.get(raw)
        if series is not None:
            return series
        series = Series(name, labels, self._roles_of(name, labels))
        if len(raw) <= _LONGEST_RAW and len(self.known) < _MOST_SERIES:
            self.known[raw] = series
        self.assess(name)
        return series

    def assess(self, name: str) -> bool | None:
        """Return whether series of this name are minor, None when they can have a role."""
        if self._concerns(name):
            return None
        minor = is_minor(name)
        if len(name) <= _LONGEST_NAME and len(self.passable) < _MOST_NAMES:
            self.passable[name] = minor
        return minor


def is_minor(name: str) -> bool:
    return name.endswith(("_bucket", "_created"))


def _key_of(name: str, labels: Mapping[str, str]) -> str:
    key = name
    if labels:
        pairs = (f'{_label(label)}="{_escaped(labels[label])}"' for label in sorted(labels))
        key = f"{name}{{{','.join(pairs)}}}"
    key = redact_unmistakable(_SPACE.sub(" ", without_controls(key)))
    if len(key) <= _LONGEST_KEY:
        return key
    digest = f"~{crc32(key.encode()):08x}"
    return key[: _LONGEST_KEY - len(digest)] + digest


def _label(name: str) -> str:
    return name if _PLAIN_LABEL.fullmatch(name) else f'"{_escaped(name)}"'


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
