"""What a demo process writes to its log, in fair weather and in each fault."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, cycle

from hub.fleet.members import FaultKind

Line = tuple[int, str]
INFO, WARNING, ERROR, CRITICAL = logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL
LINE_EVERY_S = 3.0
FAULT_LINE_EVERY_S = 1.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """The lines of one fault: `opening` once, then `going_on` around and around."""

    opening: tuple[Line, ...] = ()
    going_on: tuple[Line, ...]


class Narrator:
    """Writes the lines when their time has come; `{name}` in a line is one of the figures."""

    def __init__(
        self, log: logging.Logger, usual: tuple[Line, ...], plots: Mapping[FaultKind, Plot]
    ) -> None:
        self._log = log
        self._plots = plots
        self._usual = cycle(usual)
        self._usual_at = 0.0
        self._told: dict[FaultKind, tuple[float, Iterator[Line]]] = {}

    def tell(
        self, now: float, active: tuple[FaultKind, ...], figures: Mapping[str, object]
    ) -> None:
        """Write what is due at `now` (monotonic seconds)."""
        if now >= self._usual_at:
            self._usual_at = now + LINE_EVERY_S
            self._write(next(self._usual), figures)
        for over in self._told.keys() - set(active):
            del self._told[over]
        for kind in active:
            plot = self._plots[kind]
            due_at, lines = self._told.get(kind, (now, chain(plot.opening, cycle(plot.going_on))))
            if now >= due_at:
                self._write(next(lines), figures)
                due_at = now + FAULT_LINE_EVERY_S
            self._told[kind] = (due_at, lines)

    def _write(self, line: Line, figures: Mapping[str, object]) -> None:
        level, text = line
        self._log.log(level, "%s", text.format_map(dict(figures)))
