"""Whether an action helps: how many incidents recover with it, beside how many do without.

An action always comes some time after an incident opened, and what recovers by itself in the
first seconds never sees one. Compared with all incidents without the action, every action would
look bad, or good, for that alone. So both sides are looked at from a like moment on: with the
action, from when it was carried out; without, from the landmark, the median delay of the action,
and only what was still open by then counts. The method is that of Anderson, Cain and Gelber,
Analysis of survival by tumor response, Journal of Clinical Oncology 1, 1983.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Final, Literal

from data.analytics.proportions import Interval, newcombe, wilson

LEAST_CASES: Final = 5
"""Fewer on either side are no evidence."""

Verdict = Literal["helps", "harms", "unclear", "not_enough_evidence"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """An action that was carried out in an incident; `by_hand` when a person asked for it."""

    action: str
    at: datetime
    by_hand: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An incident that nothing suppressed, with everything that was carried out in it, in order.

    `recovered_at` is None when it did not recover. `seen_until` is when watching it ended: now, or
    when nobody watched the project any more.
    """

    kind: str
    opened_at: datetime
    recovered_at: datetime | None
    seen_until: datetime
    carried: tuple[Carried, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How many of the cases recovered in time, as a ratio with its 95 % interval."""

    recovered: int
    cases: int
    ratio: float | None
    interval: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """What can be said of one action on incidents of one kind.

    `difference` is the ratio with the action minus that without; it and its 95 % interval are
    None where a side has no case. `landmark` is the median delay from opening to action.
    """

    kind: str
    action: str
    within: timedelta
    landmark: timedelta
    with_action: Share
    without: Share
    difference: float | None
    interval: Interval | None
    verdict: Verdict


def credit(cases: Iterable[Case], *, within: timedelta, least: int = LEAST_CASES) -> list[Credit]:
    """Return what is known of each action on each kind of incident, by kind, then action.

    1. With the action are the cases whose first action it is. They recovered when they did so
       within `within` of it, and nothing else was carried out first; again the same is no other.
    2. Without are those that were open at the landmark and saw no action until it was decided
       whether they recover within `within` of it.
    3. A case that a person acted on before it was decided, or that was not watched long enough,
       is on neither side.
    """
    by_kind: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        by_kind[case.kind].append(case)
    return [
        _judge(kind, action, by_kind[kind], treated, within=within, least=least)
        for kind in sorted(by_kind)
        for action, treated in sorted(_by_first_action(by_kind[kind]).items())
    ]


def _judge(
    kind: str,
    action: str,
    cases: Sequence[Case],
    treated: Sequence[Case],
    *,
    within: timedelta,
    least: int,
) -> Credit:
    delays_s = [(case.carried[0].at - case.opened_at).total_seconds() for case in treated]
    landmark = timedelta(seconds=median(delays_s))
    helped = _share(_recovered_with(case, within) for case in treated)
    alone = _share(_recovered_without(case, landmark, within) for case in cases)
    counts = (helped.recovered, helped.cases), (alone.recovered, alone.cases)
    comparable = helped.ratio is not None and alone.ratio is not None
    interval = newcombe(*counts) if comparable else None
    enough = min(helped.cases, alone.cases) >= least
    return Credit(
        kind=kind,
        action=action,
        within=within,
        landmark=landmark,
        with_action=helped,
        without=alone,
        difference=(helped.ratio or 0.0) - (alone.ratio or 0.0) if comparable else None,
        interval=interval,
        verdict=_verdict(interval) if interval and enough else "not_enough_evidence",
    )


def _by_first_action(cases: Sequence[Case]) -> Mapping[str, list[Case]]:
    found: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        if case.carried and not case.carried[0].by_hand:
            found[case.carried[0].action].append(case)
    return found


def _recovered_with(case: Case, within: timedelta) -> bool | None:
    """Return whether the first action was followed by recovery, None where that is not known."""
    first = case.carried[0]
    decided_at = _decided_at(case, first.at + within)
    if decided_at is None:
        return None
    others = [one for one in case.carried[1:] if one.at < decided_at]
    if any(one.by_hand for one in others):
        return None
    if any(one.action != first.action for one in others):
        return False
    return _recovered_by(case, first.at + within)


def _recovered_without(case: Case, landmark: timedelta, within: timedelta) -> bool | None:
    """Return whether it recovered untouched after the landmark, None where it does not count."""
    start = case.opened_at + landmark
    decided_at = _decided_at(case, start + within)
    if decided_at is None or decided_at <= start:
        return None
    if case.carried and case.carried[0].at < decided_at:
        return None
    return _recovered_by(case, start + within)


def _decided_at(case: Case, deadline: datetime) -> datetime | None:
    """Return when it was known whether a case recovers by the deadline, None while it is not."""
    if case.recovered_at is not None:
        return min(case.recovered_at, deadline)
    return deadline if case.seen_until >= deadline else None


def _recovered_by(case: Case, deadline: datetime) -> bool:
    return case.recovered_at is not None and case.recovered_at <= deadline


def _share(outcomes: Iterable[bool | None]) -> Share:
    known = [outcome for outcome in outcomes if outcome is not None]
    recovered, cases = sum(known), len(known)
    return Share(
        recovered=recovered,
        cases=cases,
        ratio=recovered / cases if cases else None,
        interval=wilson(recovered, cases),
    )


def _verdict(interval: Interval) -> Verdict:
    if interval.low > 0:
        return "helps"
    return "harms" if interval.high < 0 else "unclear"
