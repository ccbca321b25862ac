"""Of the last lines a project shows, only those it did not show before are new."""

from datetime import UTC, datetime

from data.records import LogLine
from flows.polling.log_tail import LogTail

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _lines(*messages: str) -> list[LogLine]:
    return [LogLine(project="a", recorded_at=NOW, message=message) for message in messages]


def _new(tail: LogTail, *messages: str) -> list[str]:
    return [line.message for line in tail.new_lines("a", _lines(*messages))]


def test_everything_is_new_the_first_time() -> None:
    assert _new(LogTail(), "1", "2") == ["1", "2"]


def test_what_overlaps_is_not_new() -> None:
    tail = LogTail()
    _new(tail, "1", "2", "3")
    assert _new(tail, "2", "3", "4") == ["4"]


def test_the_same_message_again_is_new_when_it_came_again() -> None:
    tail = LogTail()
    _new(tail, "tick", "tick")
    assert _new(tail, "tick", "tick", "tick") == ["tick"]


def test_after_a_restart_of_the_project_everything_is_new() -> None:
    tail = LogTail()
    _new(tail, "1", "2")
    assert _new(tail, "starting") == ["starting"]


def test_lines_that_are_stored_already_are_not_new() -> None:
    tail = LogTail()
    tail.remember("a", _lines("1", "2"))
    assert _new(tail, "1", "2", "3") == ["3"]
