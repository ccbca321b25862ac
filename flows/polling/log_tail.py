"""Tell the log lines that are new from those a project already showed."""

from collections.abc import Iterable, Sequence

from data.records import LogLine

_Mark = tuple[str, str]


class LogTail:
    """Remembers, per project, the lines of its last answer.

    A project answers with its last lines each time; what overlaps with the answer before is
    not new. Lines without a time of their own are told apart by their place in the sequence.
    """

    def __init__(self) -> None:
        self._seen: dict[str, list[_Mark]] = {}

    def remember(self, project: str, lines: Iterable[LogLine]) -> None:
        """Take lines that are stored already as seen."""
        self._seen[project] = [_mark(line) for line in lines]

    def knows(self, project: str) -> bool:
        return project in self._seen

    def forget(self, project: str) -> None:
        self._seen.pop(project, None)

    def new_lines(self, project: str, lines: Sequence[LogLine]) -> list[LogLine]:
        """Return the lines after the longest overlap with the last answer, and remember them."""
        marks = [_mark(line) for line in lines]
        seen = self._seen.get(project, [])
        overlap = next(
            (
                length
                for length in range(min(len(seen), len(marks)), 0, -1)
                if seen[-length:] == marks[:length]
            ),
            0,
        )
        if marks:
            self._seen[project] = marks
        return list(lines[overlap:])


def _mark(line: LogLine) -> _Mark:
    return (line.logged_at.isoformat() if line.logged_at else "", line.message)
