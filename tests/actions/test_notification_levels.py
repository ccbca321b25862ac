"""Which steps of a chain are due, from the start on, again, and in a hurry."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from actions.notification.levels import Progress, advance
from config.escalation import EscalationStep, Severity

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
CHAIN = (
    EscalationStep(notify="oncall", repeat=10 * MINUTE),
    EscalationStep(notify="lead", after=15 * MINUTE),
    EscalationStep(notify="boss", after=5 * MINUTE, severity="critical"),
)


def _at(
    minutes: float,
    reached: Sequence[int] = (),
    *,
    before: float | None = None,
    chain: Sequence[EscalationStep] = CHAIN,
    severity: Severity = "warning",
    hurried: bool = False,
) -> Progress:
    return advance(
        chain,
        severity,
        START,
        reached=reached,
        advanced_at=None if before is None else START + before * MINUTE,
        hurried=hurried,
        now=START + minutes * MINUTE,
    )


def _minutes(progress: Progress) -> float | None:
    return None if progress.next_at is None else (progress.next_at - START) / MINUTE


def test_the_first_step_is_due_at_the_start() -> None:
    progress = _at(0)
    assert (progress.due, progress.reached, _minutes(progress)) == ((0,), (0,), 10)


def test_a_step_is_told_again_after_its_time() -> None:
    progress = _at(10, [0], before=0)
    assert (progress.due, _minutes(progress)) == ((0,), 15)


def test_a_later_step_is_due_after_its_time_from_the_start() -> None:
    progress = _at(15, [0], before=10)
    assert (progress.due, progress.reached, _minutes(progress)) == ((1,), (0, 1), 20)


def test_nothing_is_due_in_between() -> None:
    progress = _at(12, [0], before=10)
    assert (progress.due, _minutes(progress)) == ((), 15)


def test_a_step_for_what_is_critical_is_only_for_that() -> None:
    assert _at(5, [0], before=0).due == ()
    assert _at(5, [0], before=0, severity="critical").due == (2,)


def test_what_was_missed_while_no_hub_ran_is_told_once() -> None:
    progress = _at(47, [0], before=0)
    assert (progress.due, _minutes(progress)) == ((1, 0), 50)


def test_a_first_step_may_wait_too() -> None:
    chain = [EscalationStep(notify="oncall", after=5 * MINUTE)]
    assert (_at(0, chain=chain).due, _minutes(_at(0, chain=chain))) == ((), 5)
    assert _minutes(_at(5, chain=chain)) is None


def test_in_a_hurry_the_next_step_is_not_waited_for() -> None:
    progress = _at(1, [0], before=0, hurried=True)
    assert (progress.due, _minutes(progress)) == ((1,), 10)
    assert _at(1, [0, 1], before=0, hurried=True).due == ()


@given(
    st.lists(
        st.builds(
            EscalationStep,
            notify=st.just("a"),
            after=st.integers(0, 60).map(lambda minutes: minutes * MINUTE),
            repeat=st.none() | st.integers(1, 30).map(lambda minutes: minutes * MINUTE),
        ),
        max_size=4,
    ),
    st.lists(st.integers(0, 30), max_size=8),
)
def test_every_step_is_told_first_once_and_the_next_look_is_always_later(
    chain: list[EscalationStep], waits: list[int]
) -> None:
    now = 0
    before: int | None = None
    reached: tuple[int, ...] = ()
    first: list[int] = []
    for wait in [0, *waits]:
        now += wait
        progress = _at(now, reached, before=before, chain=chain)
        first += [position for position in progress.due if position not in reached]
        assert progress.next_at is None or progress.next_at > START + now * MINUTE
        before, reached = now, progress.reached
    assert sorted(first) == sorted(
        position for position, step in enumerate(chain) if step.after <= now * MINUTE
    )
