"""A ranking in plain words, for where nothing else explains an incident."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, assert_never

from config.durations import format_duration
from reasoning.causes.cause import Ranking
from reasoning.causes.measured import Measured

_MOST_DEVIATIONS: Final = 100
_MOST_TOLD: Final = 3
_ALMOST: Final = 0.85
"""From this share of the first one's score on another cause is about as likely."""


def explain(ranking: Ranking) -> str:
    """Return what the ranking says, in a few sentences without markup.

    Names, versions and log lines are as the projects gave them, on one line and printable.
    """
    if not ranking.is_clear:
        return " ".join((f"No clear cause of the incident of {ranking.project}.", *_weak(ranking)))
    first, *others = ranking.causes
    close = [one for one in others if one.score >= _ALMOST * first.score][: _MOST_TOLD - 1]
    lines = [f"The most likely cause is {first.project}: {first.reason}"]
    lines += [f"About as likely is {one.project}: {one.reason}" for one in close]
    return "\n".join(lines)


def because(
    first: Measured, evidence: Sequence[Measured], opened_at: datetime, others: Sequence[str]
) -> str:
    """Return why a project may be the cause: the fact that tells most, then the rest."""
    rest = [fact for fact in evidence if fact is not first]
    sentences = [f"{_sentence(first)}{_when(first, opened_at)}."]
    if rest:
        sentences.append(f"Also: {'; '.join(map(_sentence, rest))}.")
    if others:
        sentences.append(f"Of those that suffer too, {_listed(others)} on it.")
    return " ".join(sentences)


def _weak(ranking: Ranking) -> list[str]:
    if not ranking.causes:
        return ["Nothing was measured that differs from before."]
    first = ranking.causes[0]
    return [f"The least unlikely is {first.project}: {first.reason}"]


def _sentence(fact: Measured) -> str:
    name = _printable(fact.name)
    match fact.kind:
        case "metric":
            return _moved(fact, name)
        case "status":
            return f"it was {name}"
        case "log":
            return f"log lines like “{name}” came {_count(fact)}"
        case "deploy":
            return f"version {name} was deployed" if name else "it was deployed"
        case "configuration":
            return f"its configuration became {name}" if name else "its configuration changed"
        case _:
            assert_never(fact.kind)


def _moved(fact: Measured, name: str) -> str:
    if not fact.deviations or fact.before is None or fact.during is None:
        return f"{name} stayed as it was"
    way = "rose" if fact.deviations > 0 else "fell"
    far = abs(fact.deviations)
    times = f"more than {_MOST_DEVIATIONS}" if far > _MOST_DEVIATIONS else f"{far:.1f}"
    return (
        f"{name} {way} from {_number(fact.before)} to {_number(fact.during)},"
        f" {times} times its usual deviation"
    )


def _count(fact: Measured) -> str:
    usual = "never before" if not fact.before else f"usually {_number(fact.before)}"
    return f"{_number(fact.during or 0.0)} times, {usual}"


def _when(fact: Measured, opened_at: datetime) -> str:
    if fact.at is None:
        return ""
    lead = timedelta(seconds=round((opened_at - fact.at).total_seconds()))
    if not lead:
        return ", as the incident was opened"
    side = "before" if lead > timedelta() else "after"
    return f", {format_duration(abs(lead))} {side} the incident was opened"


def _listed(names: Sequence[str]) -> str:
    told = ", ".join(names[:_MOST_TOLD])
    more = len(names) - _MOST_TOLD
    if more > 0:
        return f"{told} and {more} more depend"
    return f"{told} {'depends' if len(names) == 1 else 'depend'}"


def _number(value: float) -> str:
    return f"{value:,.4g}" if abs(value) < 10_000 else f"{value:,.0f}"


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)
