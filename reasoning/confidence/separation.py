"""The simplest condition over an incident's fields that tells successes from the rest.

How simple is measured by description length: the nats it takes to say which tests are used, each
one of all that could be, plus those it takes to say who is a success where the condition holds and
where it does not, each with a ratio not known before. A test that keeps out one chance failure
costs more than it saves; one that keeps out five is worth its words. Rissanen, Modeling by
shortest data description, Automatica 14, 1978.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Final

from reasoning.confidence.beta import log_beta
from rules.facts import FieldValue, signal_field_kind
from rules.rule import Test

MOST_TESTS: Final = 3

BESIDE_THE_POINT: Final = frozenset({"project", "kind", "title", "autonomy", "attempts"})
"""Fields that are given anyway, or that do not say what happened."""

_KEPT_OPEN: Final = 40
"""How many of the best shorter conditions are tried with one test more."""

_MOST_OF_A_FIELD: Final = 24
"""How many of a field's tests are tried with others, those that describe best by themselves."""

_Candidate = tuple[Test, int]
"""A test with the cases for which it holds, one bit each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Separation:
    """Tests that must all hold, and what they cover; without tests, everything.

    `covered` says of each case whether they hold; `nats` is the description length.
    """

    tests: tuple[Test, ...]
    successes: int
    rest: int
    covered: tuple[bool, ...]
    nats: float


@dataclass(frozen=True, slots=True)
class _Sample:
    """All cases and the successes among them, one bit each."""

    everything: int
    wanted: int

    def nats(self, held: int) -> float:
        """Return what it takes to say who is a success, inside a part and outside of it."""
        return sum(
            -log_beta(1 + (part & self.wanted).bit_count(), 1 + (part & ~self.wanted).bit_count())
            for part in (held, self.everything & ~held)
            if part
        )

    def favours(self, held: int) -> bool:
        """Return whether successes are the more frequent inside a part."""
        inside = (held & self.wanted).bit_count() * self.everything.bit_count()
        return inside > self.wanted.bit_count() * held.bit_count()


@dataclass(frozen=True, slots=True)
class _Found:
    """Tests with the cases for which all of them hold, one bit each."""

    nats: float
    tests: tuple[Test, ...]
    held: int

    @property
    def rank(self) -> tuple[float, str]:
        """Where digits that calculation order may change do not count."""
        texts = [(test.field, test.operator, test.operand) for test in self.tests]
        return round(self.nats, 9), repr(texts)


def separate(cases: Sequence[Mapping[str, FieldValue]], successes: Sequence[bool]) -> Separation:
    """Return the condition of at most three tests that describes the successes in the fewest nats.

    Of equally good conditions the shorter, then the first by its text, so that the same cases
    always give the same one. The search tries the 24 best tests of each field and keeps the 40
    best conditions of each length.

    Raises:
        ValueError: there are not as many flags as cases.
    """
    if len(cases) != len(successes):
        raise ValueError(f"{len(cases)} cases need as many flags, got {len(successes)}")
    sample = _Sample((1 << len(cases)) - 1, _bits(successes))
    possible = list(_candidates(cases, successes))
    best = _search(sample, _best_of_each_field(possible, sample), math.log(len(possible) + 1))
    return Separation(
        tests=tuple(sorted(best.tests, key=lambda one: (one.field, one.operator))),
        successes=(best.held & sample.wanted).bit_count(),
        rest=(best.held & ~sample.wanted).bit_count(),
        covered=tuple(bool(best.held >> number & 1) for number in range(len(cases))),
        nats=best.nats,
    )


def _search(sample: _Sample, candidates: Sequence[_Candidate], price: float) -> _Found:
    """Return the best condition, with `price` nats for every test in it."""
    best = _Found(sample.nats(sample.everything), (), sample.everything)
    beam = [best]
    for count in range(1, MOST_TESTS + 1):
        found = [
            _Found(sample.nats(held) + count * price, tests, held)
            for held, tests in _longer(beam, candidates).items()
            if sample.favours(held)
        ]
        beam = sorted(found, key=lambda one: one.rank)[:_KEPT_OPEN]
        if beam and beam[0].nats < best.nats - 1e-9:
            best = beam[0]
    return best


def _longer(
    beam: Sequence[_Found], candidates: Sequence[_Candidate]
) -> dict[int, tuple[Test, ...]]:
    """Return conditions with one test more, by what they cover: one of those that cover the same.

    That of the better shorter condition and the earlier test, which is written last.
    """
    return {
        found.held & holds: (*found.tests, test)
        for found in reversed(beam)
        for test, holds in reversed(candidates)
        if found.held & holds not in (0, found.held) and not _twice(found.tests, test)
    }


def _candidates(
    cases: Sequence[Mapping[str, FieldValue]], successes: Sequence[bool]
) -> Iterator[_Candidate]:
    names = sorted({name for case in cases for name in case} - BESIDE_THE_POINT)
    for name in names:
        values = [case.get(name) for case in cases]
        match signal_field_kind(name):
            case "number":
                yield from _limits(name, values, successes)
            case "text" | "tags" | "flag":
                yield from _equals(name, values)
            case None:
                continue


def _best_of_each_field(candidates: Sequence[_Candidate], sample: _Sample) -> list[_Candidate]:
    kept: list[_Candidate] = []
    for _, of_field in groupby(candidates, key=lambda one: one[0].field):
        ranked = sorted(of_field, key=lambda one: round(sample.nats(one[1]), 9))
        kept += ranked[:_MOST_OF_A_FIELD]
    return kept


def _equals(name: str, values: Sequence[FieldValue]) -> Iterator[_Candidate]:
    held = [value if isinstance(value, tuple) else (value,) for value in values]
    for wanted in sorted({one for several in held for one in several if one is not None}, key=str):
        holds = _bits([wanted in several for several in held])
        yield Test(field=name, operator="eq", operand=wanted), holds


def _limits(
    name: str, values: Sequence[FieldValue], successes: Sequence[bool]
) -> Iterator[_Candidate]:
    """Yield limits between neighbouring values of which one is a success's and one is not."""
    numbers = [_number(value) for value in values]
    flags: dict[float, set[bool]] = {}
    for number, success in zip(numbers, successes, strict=True):
        if number is not None:
            flags.setdefault(number, set()).add(success)
    for below, above in pairwise(sorted(flags)):
        if len(flags[below] | flags[above]) == 2:
            limit = round_between(below, above)
            at_least = [number is not None and number >= limit for number in numbers]
            less = [number is not None and number < limit for number in numbers]
            yield Test(field=name, operator="gte", operand=limit), _bits(at_least)
            yield Test(field=name, operator="lt", operand=limit), _bits(less)


def _number(value: FieldValue) -> float | None:
    """Return what rules take for a number."""
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return None


def round_between(below: float, above: float) -> float:
    """Return the number of fewest digits that is above `below` and at most `above`.

    That nearest to the middle, as a limit in a rule is to be read by people.
    """
    middle = below + (above - below) / 2
    for digits in range(1, 17):
        rounded = float(f"{middle:.{digits - 1}e}")
        if below < rounded <= above:
            return rounded
    return above


def _twice(tests: tuple[Test, ...], test: Test) -> bool:
    """Return whether a test of the field is there with the operator, which would replace it."""
    return any((one.field, one.operator) == (test.field, test.operator) for one in tests)


def _bits(flags: Sequence[bool]) -> int:
    return sum(1 << number for number, flag in enumerate(flags) if flag)
