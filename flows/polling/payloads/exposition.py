"""Prometheus text 0.0.4 and OpenMetrics 1.0, read line by line."""

import re
from typing import Final, NamedTuple

from flows.polling.payloads.series import MOST_VALUE, ROOM, Intake, SeriesBook

_MOST_LINES: Final = 100_000
_MOST_FAULTS: Final = 1_000

_LINES_BUT_COMMENTS: Final = re.compile(r"\n([^#\n][^\n]*+)")
_QUOTED: Final = r'"((?:[^"\\]++|\\.)*+)"'
_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*+")
_LABEL: Final = re.compile(
    rf"""[ \t]*+ (?: {_QUOTED} | ([a-zA-Z_:][a-zA-Z0-9_:]*+) ) [ \t]*+
         (?: = [ \t]*+ {_QUOTED} [ \t]*+ )?+ (?: , [ \t]*+ | (?=\}}) )""",
    re.X,
)
_BRACE: Final = re.compile(r"[ \t]*+\{")
_END_OF_LABELS: Final = re.compile(r"[ \t]*+\}")
_TAIL: Final = re.compile(
    r"""[ \t]*+ ([^\s#]++) (?:[ \t]++ ([^\s#]++))?+
        (?: [ \t]++ \# [ \t]++ \{(?:[^"}]++|"(?:[^"\\]++|\\.)*+")*+\}
            [ \t]++ (\S++) (?:[ \t]++ (\S++))?+ )?+""",
    re.X,
)
_ESCAPE: Final = re.compile(r'\\([\\n"])')


class Sample(NamedTuple):
    """The sample of one line. `series` is the text of its name and labels."""

    series: str
    name: str
    labels: dict[str, str]
    value: float


def scan(text: str, book: SeriesBook, intake: Intake) -> None:
    """Put the samples of an exposition into `intake`.

    A line is split at its last space. Where the left part is a series that `book` knows, the
    right part is its value, and that is all. Only what is new, or has a timestamp or an exemplar,
    is read with care. Of series for which there is no room, only the name and the last number
    are looked at. Reading ends after 100,000 lines, or after 1,000 that are not valid.
    """
    if text.count("\n") > _MOST_LINES:
        text = "\n".join(text.split("\n", _MOST_LINES)[:_MOST_LINES])
        intake.notes.append(f"only the first {_MOST_LINES:,} lines were read")
    careful = _CarefulReader(book, intake)
    known, passable = book.known, book.passable
    plain, minor, fed = intake.plain, intake.minor, intake.fed
    accepted = not_finite = passed_over = 0
    for line in _LINES_BUT_COMMENTS.findall("\n" + text):
        raw, _, number = line.rpartition(" ")
        series = known.get(raw)
        try:
            value = float(number)
        except ValueError:
            series, raw = None, ""
        if series is None or "_" in number:
            name = raw.partition("{")[0]
            is_minor = passable.get(name)
            if is_minor is None and len(plain) >= ROOM and _NAME.fullmatch(name):
                is_minor = book.assess(name)
            if is_minor is not None and len(minor if is_minor else plain) >= ROOM:
                passed_over += 1
            elif not careful.read(line):
                break
        elif not -MOST_VALUE <= value <= MOST_VALUE:
            not_finite += not series.minor
        else:
            accepted += 1
            if series.roles is not None:
                fed[series.key] = (series, value)
            elif series.minor:
                minor[series.key] = value
            else:
                plain[series.key] = value
    intake.accepted += accepted
    intake.not_finite += not_finite
    intake.passed_over += passed_over
    careful.locate_first_fault(text)


class _CarefulReader:
    """Reads the lines that are not in the book, and counts those that are not valid."""

    def __init__(self, book: SeriesBook, intake: Intake) -> None:
        self._book = book
        self._intake = intake
        self._first_fault = ""

    def read(self, line: str) -> bool:
        """Return False when it is time to stop."""
        sample = parse_line(line)
        if sample is not None:
            series = self._book.series(sample.series, sample.name, sample.labels)
            self._intake.add(series, sample.value)
            return True
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            return True
        self._first_fault = self._first_fault or line
        self._intake.faults += 1
        return self._intake.faults < _MOST_FAULTS

    def locate_first_fault(self, text: str) -> None:
        if self._intake.faults == _MOST_FAULTS:
            self._intake.notes.append(f"not read on after {_MOST_FAULTS:,} faults")
        if self._first_fault:
            before, _, _ = f"\n{text}\n".partition(f"\n{self._first_fault}\n")
            self._intake.first_fault = before.count("\n") + 1


def parse_line(line: str) -> Sample | None:
    """Return the sample of a line, None when it is none.

    Understood are labels with escapes, names in quotes (`{"my.metric", a="b"}`), timestamps and
    exemplars; these two are checked for their form and not kept. The value may be infinite or
    not a number.
    """
    line = line.strip()
    series = _series_of(line)
    if series is None:
        return None
    name, labels, end = series
    tail = _TAIL.fullmatch(line, end)
    if tail is None or any(_number(text) is None for text in tail.groups() if text):
        return None
    return Sample(line[:end], name, labels, float(tail[1]))


def _series_of(line: str) -> tuple[str, dict[str, str], int] | None:
    """Return name, labels and where they end, None when they are not valid."""
    bare = _NAME.match(line)
    name, position = (bare[0], bare.end()) if bare else ("", 0)
    brace = _BRACE.match(line, position)
    if brace is None:
        return (name, {}, position) if name and line[position : position + 1].isspace() else None
    labels: dict[str, str] = {}
    position = brace.end()
    while (end := _END_OF_LABELS.match(line, position)) is None:
        label = _LABEL.match(line, position)
        if label is None:
            return None
        quoted, plain, value = label.groups()
        key = plain if plain is not None else _unescaped(quoted)
        if value is None or key == "__name__":
            if name or (value is None and plain is not None):
                return None
            name = key if value is None else _unescaped(value)
        elif not key or key in labels:
            return None
        else:
            labels[key] = _unescaped(value)
        position = label.end()
    return (name, labels, end.end()) if name else None


def _number(text: str) -> float | None:
    """Return the number as Go reads it: without underscores; hexadecimal is none."""
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda m: "\n" if m[1] == "n" else m[1], text) if "\\" in text else text
