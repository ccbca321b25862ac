"""The cadence is fixed: it neither drifts nor bunches."""

from hypothesis import given
from hypothesis import strategies as st

from flows.polling.agenda import Agenda, next_due

_names = st.text("abcdef-", min_size=1, max_size=12)
_times = st.floats(0, 2e9)
_intervals = st.integers(1, 3600)


@given(_names, _times, _intervals)
def test_the_next_appointment_is_within_one_interval(name: str, now: float, every: int) -> None:
    due = next_due(name, "health", every, now)
    assert now < due <= now + every + 1e-6


@given(_names, st.floats(0, 1e9), _intervals, st.floats(0, 0.9))
def test_asking_late_does_not_move_the_cadence(
    name: str, now: float, every: int, late: float
) -> None:
    due = next_due(name, "health", every, now)
    after = next_due(name, "health", every, due + late * every)
    assert abs(after - due - every) < 1e-3


def test_three_hundred_projects_spread_over_the_interval() -> None:
    due = [next_due(f"project-{n}", "health", 10, 1_000_000) - 1_000_000 for n in range(300)]
    per_second = [sum(second <= at < second + 1 for at in due) for second in range(10)]
    assert min(per_second) >= 15
    assert max(per_second) <= 45


def test_what_is_due_comes_in_order_and_once() -> None:
    agenda = Agenda()
    agenda.set("b", "health", 2.0)
    agenda.set("a", "health", 1.0)
    agenda.set("c", "health", 9.0)
    assert [one.project for one in agenda.take_due(5.0)] == ["a", "b"]
    assert agenda.take_due(5.0) == []
    assert agenda.next_at() == 9.0


def test_an_appointment_that_is_moved_counts_only_where_it_is_now() -> None:
    agenda = Agenda()
    agenda.set("a", "health", 5.0)
    agenda.set("a", "health", 1.0)
    assert [one.due_at for one in agenda.take_due(10.0)] == [1.0]
    assert len(agenda) == 0


def test_a_removed_project_is_not_asked() -> None:
    agenda = Agenda()
    agenda.set("a", "health", 1.0)
    agenda.set("a", "metrics", 1.0)
    agenda.remove("a")
    assert agenda.take_due(10.0) == []
    assert agenda.next_at() is None
