"""From series to the four fields, by the project's mapping or by well-known names."""

import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import translate
from typing import Final, NamedTuple

from config.projects_file import MetricSource
from flows.polling.payloads.series import MOST_VALUE, Roles, Series, is_minor
from flows.polling.payloads.well_known import FIELDS, Alias, alias_of

_Values = dict[str, float]

_CPU: Final = MetricSource(metric="process_cpu_seconds_total", rate=True, scale=100)
_NO_ROLES: Final = Roles()
_ROUNDING_PERCENT: Final = 5
_AGGREGATES: Final[dict[str, Callable[[list[float]], float]]] = {
    "sum": sum,
    "mean": lambda values: sum(values) / len(values),
    "max": max,
    "min": min,
    "first": lambda values: values[0],
}


@dataclass(slots=True)
class Mapped:
    """What one read comes to.

    `fields` are those of the four that have a value, `named` what the mapping calls otherwise,
    `taken` the keys of series that became a field as they were.
    """

    fields: dict[str, float] = field(default_factory=dict)
    named: dict[str, float] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def put(self, name: str, value: float | None) -> bool:
        """Take a value in, and return whether it was good: finite, and no negative field."""
        if value is None:
            return False
        if not -MOST_VALUE <= value <= MOST_VALUE:
            self.notes.append(f"{name} is not finite")
            return False
        if name not in FIELDS:
            self.named[name] = value
            return True
        if value < 0:
            self.notes.append(f"{name} is negative: {value:g}")
            return False
        self.fields[name] = value
        return True


class _Candidate(NamedTuple):
    """A series that could be a field; `alike` counts those that could be it as well."""

    rank: int
    series: Series
    value: float
    alike: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """A `MetricSource` with a slot for the values that its series have in a read."""

    slot: int
    metric: str
    labels: tuple[tuple[str, Callable[[str], object]], ...] = ()
    aggregate: Callable[[list[float]], float] = sum
    rate: bool = False
    divide_by: "float | _Source | None" = None
    scale: float = 1
    offset: float = 0

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Tell whether each label's value matches its glob; a label that is missing is empty."""
        return all(matches(labels.get(name, "")) for name, matches in self.labels)

    def is_idle_beside(self, labels: Mapping[str, str]) -> bool:
        """Tell whether a series of this metric shows that what is selected never happened.

        A counter with labels is not reported before it counts: where there were requests but no
        request failed, there is no `requests_total{status="500"}`, and its rate is 0.
        """
        return self.rate and all(name in labels for name, _ in self.labels)


class MetricMapping:
    """Evaluates one project's mapping; remembers the last counters, for rates.

    A field that the mapping names comes from there and nowhere else. Where it does not name
    `cpu_percent` and no series reports it, the process's CPU seconds tell.
    """

    def __init__(self, mapping: Mapping[str, MetricSource]) -> None:
        self._sources: list[_Source] = []
        self._explicit = {name: self._compile(source) for name, source in mapping.items()}
        self._implicit = {} if "cpu_percent" in mapping else {"cpu_percent": self._compile(_CPU)}
        self._by_metric: dict[str, list[_Source]] = {}
        for source in self._sources:
            self._by_metric.setdefault(source.metric, []).append(source)
        self._last: dict[int, tuple[float, _Values]] = {}

    def concerns(self, name: str) -> bool:
        """Tell whether any series of this name can have a role."""
        return name in self._by_metric or self._alias(name) is not None

    def roles_of(self, name: str, labels: Mapping[str, str]) -> Roles | None:
        """Return what a series is used for, None when for nothing."""
        sources = self._by_metric.get(name, ())
        slots = tuple(source.slot for source in sources if source.selects(labels))
        idle = tuple(
            source.slot
            for source in sources
            if source.slot not in slots and source.is_idle_beside(labels)
        )
        alias = None if "quantile" in labels else self._alias(name)
        if alias is None:
            return Roles(slots, idle=idle) if slots or idle else None
        rank = 2 * alias.preference + bool(labels)
        return Roles(slots, alias.field, alias.factor, rank, idle)

    def evaluate(self, fed: Iterable[tuple[Series, float]], read_at: float) -> Mapped:
        """Return what the series with a role come to. `read_at` is in monotonic seconds.

        1. The values for each source and the best candidate for each field are gathered.
        2. A field gets its best candidate; several series of one name, all with labels, are
           ambiguous.
        3. Every entry of the mapping is worked out.
        """
        mapped = Mapped()
        selected: dict[int, _Values] = {}
        best: dict[str, _Candidate] = {}
        for series, value in fed:
            roles = series.roles or _NO_ROLES
            for slot in roles.slots:
                selected.setdefault(slot, {})[series.key] = value
            for slot in roles.idle:
                selected.setdefault(slot, {})
            if roles.field is not None:
                rival = best.get(roles.field)
                if rival is None or roles.rank < rival.rank:
                    best[roles.field] = _Candidate(roles.rank, series, value * roles.factor)
                elif roles.rank == rival.rank and not series.bare:
                    best[roles.field] = rival._replace(alike=rival.alike + 1)
        for name, candidate in best.items():
            if candidate.alike > 1:
                mapped.notes.append(f"{name} is ambiguous: {candidate.alike:,} series")
            elif mapped.put(name, candidate.value):
                mapped.taken.add(candidate.series.key)
        if selected or self._explicit:
            self._work_out(selected, read_at, mapped, reported=best)
        return mapped

    def _work_out(
        self,
        selected: dict[int, _Values],
        read_at: float,
        mapped: Mapped,
        *,
        reported: Container[str],
    ) -> None:
        measured: dict[int, _Values | None] = {
            slot: self._rates(slot, values, read_at) if self._sources[slot].rate else values
            for slot, values in selected.items()
        }
        for name, source in self._implicit.items():
            if name not in reported:
                mapped.put(name, _evaluate(source, measured))
        for name, source in self._explicit.items():
            missing = [each.metric for each in _chain(source) if each.slot not in selected]
            if missing:
                mapped.notes.append(f"{name}: no series {', '.join(missing)}")
            else:
                mapped.put(name, _not_below_zero(name, source, _evaluate(source, measured)))

    def _rates(self, slot: int, values: _Values, read_at: float) -> _Values | None:
        """Return the increase per second of each counter that was there at the last read.

        None where none was, and where one fell: it began anew, and by how much is not known.
        """
        last_read_at, last = self._last.get(slot, (read_at, {}))
        self._last[slot] = (read_at, values)
        elapsed_s = read_at - last_read_at
        if elapsed_s <= 0 or any(value < last.get(key, value) for key, value in values.items()):
            return None
        rates = {
            key: (value - last[key]) / elapsed_s for key, value in values.items() if key in last
        }
        return rates if rates or not values else None

    def _alias(self, name: str) -> Alias | None:
        alias = None if is_minor(name) else alias_of(name)
        return None if alias is None or alias.field in self._explicit else alias

    def _compile(self, source: MetricSource) -> _Source:
        compiled = _Source(
            slot=len(self._sources),
            metric=source.metric,
            labels=tuple((name, _glob(pattern)) for name, pattern in source.labels.items()),
            aggregate=_AGGREGATES[source.aggregate],
            rate=source.rate,
            scale=source.scale,
            offset=source.offset,
        )
        self._sources.append(compiled)
        divide_by = source.divide_by
        if isinstance(divide_by, MetricSource):
            return replace(compiled, divide_by=self._compile(divide_by))
        return replace(compiled, divide_by=divide_by)


def _glob(pattern: str) -> Callable[[str], object]:
    if not any(special in pattern for special in "*?["):
        return pattern.__eq__
    return re.compile(translate(pattern)).match


def _chain(source: _Source) -> Iterator[_Source]:
    yield source
    if isinstance(source.divide_by, _Source):
        yield from _chain(source.divide_by)


def _evaluate(source: _Source, measured: Mapping[int, _Values | None]) -> float | None:
    """Return offset + scale * aggregate / divide_by, None when a part of it is not known."""
    values = measured.get(source.slot)
    divisor = source.divide_by
    if isinstance(divisor, _Source):
        divisor = _evaluate(divisor, measured) or 0
    if values is None or divisor == 0 or not (values or source.aggregate is sum):
        return None
    return source.offset + source.scale * source.aggregate(list(values.values())) / (divisor or 1)


def _not_below_zero(name: str, source: _Source, value: float | None) -> float | None:
    """Return 0 for what the clocks of two reads took a little below it.

    A machine that did nothing idled for 100 % of the time, give or take some milliseconds, so
    that 100 - idle may be -0.3.
    """
    if value is None or name not in FIELDS or not source.offset:
        return value
    return 0.0 if -_ROUNDING_PERCENT < value < 0 else value
