"""From what a document says to a model, or to a fault for everything wrong in it."""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from config.errors import Fault
from config.quoting import is_secret
from config.sentences import KINDS, Found, sentence
from config.yaml_source import Document, Steps

M = TypeVar("M", bound=BaseModel)


class Origin(NamedTuple):
    """A place of a document that a value was read from."""

    document: Document
    at: Steps = ()

    def reach(self, steps: Steps) -> int:
        """Return how many of the steps lead on from here to something that was written."""
        return self.document.reach((*self.at, *steps)) - len(self.at)


def examine(model: type[M], value: object, *origins: Origin) -> tuple[M | None, list[Fault]]:
    """Return the value as a model, or None and its faults.

    A value may be laid together from several origins, the first winning: a fault is told where
    the offending part was written. A part that YAML itself found fault with has no second one.
    """
    try:
        return model.model_validate(value), []
    except ValidationError as error:
        every = error.errors(include_url=False)
    faults = [_fault(model, details, origins) for details in every]
    known = {fault.field for origin in origins for fault in origin.document.faults}
    return None, [fault for fault in faults if fault.field not in known]


def _fault(model: type[BaseModel], details: ErrorDetails, origins: Sequence[Origin]) -> Fault:
    steps = tuple(step for step in details["loc"] if not _is_label(step))
    origin = max(origins, key=lambda origin: origin.reach(steps))
    here = (*origin.at, *steps)
    found = Found(
        details=details,
        model=model,
        written=origin.document.written.get(here),
        secret=is_secret(here),
    )
    return origin.document.fault(here, sentence(found))


def _is_label(step: str | int) -> bool:
    """Tell whether pydantic put this step in: it marks keys, and we mark kinds of things."""
    return step == "[key]" or step in KINDS
