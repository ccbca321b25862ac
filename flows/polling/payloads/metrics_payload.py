"""What a metrics endpoint's answer says: the four fields, and further metrics by name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from config.projects_file import MetricSource
from flows.polling.payloads import exposition, json_metrics
from flows.polling.payloads.body_text import NOT_JSON, decode_body, load_json_floats
from flows.polling.payloads.metric_mapping import Mapped, MetricMapping
from flows.polling.payloads.series import ROOM, Intake, SeriesBook

_DETAIL_CHARACTERS: Final = 400
_ENDS: Final = ("# EOF\n", "# EOF", "# EOF\r\n")
_NEITHER: Final = "neither JSON nor Prometheus text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One scrape. `detail` says why nothing, or not everything, could be read."""

    cpu_percent: float | None = None
    memory_percent: float | None = None
    error_rate_percent: float | None = None
    response_ms: float | None = None
    other: dict[str, float] = field(default_factory=dict)
    detail: str | None = None


class MetricsReader:
    """Reads the scrapes of one project; remembers its series, and its last counters for rates."""

    def __init__(self, mapping: Mapping[str, MetricSource]) -> None:
        self._mapping = MetricMapping(mapping)
        self._lines = SeriesBook(self._mapping.roles_of, self._mapping.concerns)
        self._names = SeriesBook(self._mapping.roles_of, self._mapping.concerns)

    def read(self, body: bytes, content_type: str | None, *, read_at: float) -> Reading:
        """Return what the body says; what it is, its content tells. `read_at`: monotonic seconds.

        Each metric that did not become one of the four fields is in `other`, under its name and
        its labels, at most 200 of them: first what the mapping names, then in the order of the
        body; after these what the mapping made something of, and histograms' buckets, quantiles
        and creation times last.
        """
        text, valid = decode_body(body)
        intake = Intake()
        if not valid:
            intake.notes.append("not valid UTF-8")
        if not self._take(text, content_type, intake):
            return Reading(detail=_NEITHER if text.strip() else "empty")
        mapped = self._mapping.evaluate(intake.fed.values(), read_at)
        other = _further(intake, mapped)
        return Reading(**mapped.fields, other=other, detail=_detail(intake, mapped, len(other)))

    def _take(self, text: str, content_type: str | None, intake: Intake) -> bool:
        """Return whether the text is of a kind that can be read."""
        first = text[:1] if text[:1].strip() else text.lstrip()[:1]
        if first in ("", "<"):
            return False
        if first in ("{", "["):
            document = load_json_floats(text.strip())
            if document is not NOT_JSON:
                self._names.open()
                json_metrics.take(document, self._names, intake)
                return True
        self._lines.open()
        exposition.scan(text, self._lines, intake)
        if content_type and "openmetrics" in content_type and not text.endswith(_ENDS):
            intake.notes.append("cut short: no # EOF")
        return intake.found_any or not intake.faults


def _further(intake: Intake, mapped: Mapped) -> dict[str, float]:
    """Return what is no field, the most wanted first, as far as there is room."""
    unused = [(s, value) for s, value in intake.fed.values() if s.key not in mapped.taken]
    major = [(series, value) for series, value in unused if not series.minor]
    wanted = {s.key: value for s, value in major if s.roles is not None and s.roles.field}
    sources = {series.key: value for series, value in major}
    minor = {series.key: value for series, value in unused if series.minor}
    ranked = mapped.named, wanted, intake.plain, sources, minor, intake.minor, mapped.named
    other = {key: value for metrics in ranked for key, value in metrics.items()}
    return other if len(other) <= ROOM else dict(islice(other.items(), ROOM))


def _detail(intake: Intake, mapped: Mapped, kept: int) -> str | None:
    notes = [*mapped.notes, *intake.notes]
    distinct = len(intake.plain) + len(intake.minor) + len(intake.fed)
    total = distinct + intake.passed_over
    if not total:
        notes.append("no numbers")
    elif kept == ROOM < total:
        notes.append(f"{total:,} series, kept {kept}")
    if intake.not_finite:
        notes.append(_counted(intake.not_finite, "value is", "values are") + " not finite")
    if intake.accepted > distinct:
        notes.append(_counted(intake.accepted - distinct, "duplicate series", "duplicate series"))
    if intake.faults > 1:
        notes.append(f"line {intake.first_fault:,} and {intake.faults - 1:,} more are not valid")
    elif intake.faults:
        notes.append(f"line {intake.first_fault:,} is not valid")
    return "; ".join(notes)[:_DETAIL_CHARACTERS] if notes else None


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"
