"""What is to be asked of which project when: a fixed cadence that neither drifts nor bunches."""

import heapq
import math
import zlib
from dataclasses import dataclass
from typing import Literal

Question = Literal["health", "metrics", "details"]
QUESTIONS: tuple[Question, ...] = ("health", "metrics", "details")


@dataclass(frozen=True, slots=True, order=True)
class Appointment:
    """One thing to ask, due at an instant in epoch seconds."""

    due_at: float
    project: str
    question: Question


def next_due(project: str, question: Question, interval_s: float, after: float) -> float:
    """Return the first instant of the project's own grid that lies after `after`.

    The grid's phase comes from the name, so that projects spread over the interval, hubs that
    take over keep the cadence, and a late probe does not delay the ones after it.
    """
    phase = zlib.crc32(f"{question}/{project}".encode()) / 2**32 * interval_s
    return (math.floor((after - phase) / interval_s) + 1) * interval_s + phase


class Agenda:
    """Appointments in the order in which they are due, one per project and question."""

    def __init__(self) -> None:
        self._heap: list[Appointment] = []
        self._current: dict[tuple[str, Question], Appointment] = {}

    def __len__(self) -> int:
        return len(self._current)

    def set(self, project: str, question: Question, due_at: float) -> None:
        """Make, or move, the appointment for one question."""
        appointment = Appointment(due_at, project, question)
        self._current[project, question] = appointment
        heapq.heappush(self._heap, appointment)

    def remove(self, project: str) -> None:
        """Forget every appointment of a project."""
        for question in QUESTIONS:
            self._current.pop((project, question), None)

    def due(self, project: str, question: Question) -> float | None:
        """Return when a question is next due, None when it is not on the agenda."""
        appointment = self._current.get((project, question))
        return appointment.due_at if appointment else None

    def take_due(self, now: float) -> list[Appointment]:
        """Return and remove what is due."""
        due = []
        while (first := self._first()) is not None and first.due_at <= now:
            heapq.heappop(self._heap)
            del self._current[first.project, first.question]
            due.append(first)
        return due

    def next_at(self) -> float | None:
        """Return when the first appointment is due, None when there is none."""
        first = self._first()
        return first.due_at if first else None

    def _first(self) -> Appointment | None:
        while self._heap:
            first = self._heap[0]
            if self._current.get((first.project, first.question)) is first:
                return first
            heapq.heappop(self._heap)  # it was moved or removed since
        return None
