"""Where a metric comes from, in what a project reports."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, field_validator, model_validator

from config.names import Word
from config.quoting import quoted
from config.section import Section

_SHORTCUT: Final = re.compile(r"(?P<metric>[^{}]*)(?:\{(?P<labels>.*)\})?\s*", re.DOTALL)
_LABEL: Final = re.compile(
    r"\s*(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*\"(?P<glob>(?:[^\"\\]|\\.)*)\"\s*(?:,|$)"
)
_ESCAPED: Final = re.compile(r"\\([\\\"])")


def _check_divisor(value: float) -> float:
    if value == 0:
        raise ValueError("must not be 0")
    return value


def _check_metric(text: str) -> str:
    if "{" in text or "}" in text:
        raise ValueError(f"must be a bare name, with its labels under labels, got {quoted(text)}")
    return text


def _kind_of_divisor(value: object) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return "<number>" if is_number else "<source>"


class MetricSource(Section):
    """Which series make a metric: offset + scale * aggregate(selected) / divide_by.

    `labels` are globs, all of which must match. `rate` takes the increase per second of a counter
    instead of its value. A text stands for the source of that name: `queue_depth`, or
    `queue_depth{queue="mail-*"}`.
    """

    metric: Annotated[Word, AfterValidator(_check_metric)]
    labels: dict[str, str] = Field(default_factory=dict)
    aggregate: Literal["sum", "mean", "max", "min", "first"] = "sum"
    rate: bool = False
    divide_by: (
        Annotated[
            Annotated[float, AfterValidator(_check_divisor), Tag("<number>")]
            | Annotated["MetricSource", Tag("<source>")],
            Discriminator(_kind_of_divisor),
        ]
        | None
    ) = None
    scale: float = 1
    offset: float = 0

    @model_validator(mode="before")
    @classmethod
    def _read_shortcut(cls, given: Any) -> Any:
        return _read_series(given) if isinstance(given, str) else given

    @field_validator("labels", mode="before")
    @classmethod
    def _read_numbers_as_text(cls, given: Any) -> Any:
        """Take `code: 500` for the text it is in what the project reports."""
        if not isinstance(given, Mapping):
            return given
        return {name: str(glob) if type(glob) is int else glob for name, glob in given.items()}


def _read_series(text: str) -> dict[str, Any]:
    found = _SHORTCUT.fullmatch(text)
    if found is None or not found["metric"].strip():
        raise ValueError(
            f'must be as queue_depth or queue_depth{{queue="mail"}}, got {quoted(text)}'
        )
    return {"metric": found["metric"].strip(), "labels": _read_labels(found["labels"] or "")}


def _read_labels(text: str) -> dict[str, str]:
    labels: dict[str, str] = {}
    position = 0
    while position < len(text.rstrip()):
        found = _LABEL.match(text, position)
        if found is None:
            raise ValueError(
                'must have labels as name="glob", parted by commas, where * stands for any text;'
                f" got {quoted(text[position:].strip())}"
            )
        if found["name"] in labels:
            raise ValueError(f"must have each label once, {found['name']} is there twice")
        labels[found["name"]] = _ESCAPED.sub(r"\1", found["glob"])
        position = found.end()
    return labels
