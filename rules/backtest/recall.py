"""The engine, asked once about incidents that its rules cannot tell apart."""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence

from rules.backtest.reach import Reach
from rules.compiling.cleaning import Fields, clean_signal
from rules.engine import Engine, Match
from rules.facts import Fact, Signal


class Recall:
    """The matches of an engine, which has no memory and so answers the same question the same.

    Without facts, all that counts of an incident are the fields that conditions test. With facts
    hardly any two are alike, and the engine is asked each time.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[tuple[Hashable, ...], tuple[Match, ...]] = {}

    def match(self, signal: Signal, facts: Sequence[Fact], reach: Reach) -> tuple[Match, ...]:
        """Return what the engine says; `reach` is that of the incident's kind."""
        if facts:
            return self._engine.match(_narrowed(signal, reach.fields), facts)
        narrowed = _narrowed(signal, reach.tested)
        seen = tuple(_seen(clean_signal(narrowed), reach.tested))
        matches = self._known.get(seen)
        if matches is None:
            matches = self._known[seen] = self._engine.match(narrowed, ())
        return matches


def _narrowed(signal: Signal, names: Collection[str]) -> Signal:
    """Return a signal with the fields that are asked for, which spares the engine the others."""
    fields = {name: signal.fields[name] for name in names if name in signal.fields}
    return Signal(at=signal.at, fields=fields)


def _seen(fields: Fields, tested: Mapping[str, tuple[float, ...] | None]) -> Iterator[Hashable]:
    """Yield what conditions see of a signal, field by field.

    Of a number that is only compared with constants they see between which of them it lies; the
    two bisections differ where it equals one.
    """
    for name, constants in tested.items():
        value = fields.get(name)
        if constants is None or not isinstance(value, float):
            yield value
        else:
            yield bisect_left(constants, value), bisect_right(constants, value)
