"""A place in a rule file, where what is found wrong is put down."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel

from config.errors import Fault
from config.quoting import quoted, shown
from config.validation import Origin, examine
from config.yaml_source import Document, Steps

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value was written; all places of a document share one list of faults."""

    document: Document
    at: Steps
    faults: list[Fault]

    def into(self, step: str | int) -> "Place":
        """Return the place of a key's value or of a list's item."""
        return Place(self.document, (*self.at, step), self.faults)

    def items(self, key: str, value: object) -> Iterator[tuple["Place", dict[str, object]]]:
        """Yield the items of the list below a key; what is no mapping is left to the model."""
        given = value.get(key) if isinstance(value, dict) else None
        for index, item in enumerate(given if isinstance(given, list) else ()):
            if isinstance(item, dict):
                yield self.into(key).into(index), item

    def read(self, model: type[M], value: object) -> M | None:
        """Return the value as a model, or None after its faults were put down."""
        section, found = examine(model, value, Origin(self.document, self.at))
        self.faults.extend(found)
        return section

    def refuse(self, problem: str) -> None:
        """Put down what is wrong here, unless YAML itself found fault with it already."""
        fault = self.document.fault(self.at, problem)
        if fault.field not in {known.field for known in self.document.faults}:
            self.faults.append(fault)

    def refuse_type(self, wanted: str, value: object, hint: str = "") -> None:
        """Put down that something else was wanted here, with what was written."""
        self.refuse(f"must be {wanted}, got {self._written(value)}{hint}")

    def in_quotes(self, value: object) -> str:
        """Return the advice to write a value as text."""
        return f": write {quoted(self._written(value))} in quotes"

    def _written(self, value: object) -> str:
        if isinstance(value, str):
            return shown(value)
        return self.document.written.get(self.at) or shown(value)
