"""The error tree: the docstring of a class is its default message, facts travel as fields."""

from collections.abc import Iterable
from dataclasses import dataclass


class OpsloreError(Exception):
    """Something went wrong."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong in a file.

    `line` counts from 1; 0 says that there is no line to show, as for a file that is missing.
    `field` is a dotted path such as `projects.chatbot.timeouts.health`.
    """

    file: str
    line: int
    field: str
    problem: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.field}: {self.problem}"


class ConfigError(OpsloreError):
    """The configuration has faults."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))
