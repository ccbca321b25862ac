"""What pydantic found, in plain sentences with the limit and the value."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final, NamedTuple, get_args

from pydantic import BaseModel, Tag
from pydantic_core import ErrorDetails

from config.quoting import kind_of, quoted, shown

KINDS: Final = frozenset({"<number>", "<source>", "<http>", "<command>", "<notify>"})
"""The tags of things that may be of several kinds; pydantic puts them among the steps."""


class Found(NamedTuple):
    """One error of pydantic, with what the person wrote where it is known to be other text."""

    details: ErrorDetails
    model: type[BaseModel]
    written: str | None
    secret: bool

    @property
    def got(self) -> str:
        """The value, or only its kind where it may be a secret."""
        value = self.details["input"]
        if self.secret:
            return f"got {kind_of(value)}"
        return f"got {shown(value) if isinstance(value, str) else self.written or shown(value)}"

    @property
    def context(self) -> Mapping[str, Any]:
        return self.details.get("ctx", {})


def sentence(found: Found) -> str:
    """Return what is wrong, beginning with `must`, `is` or `has`, for after a field's name."""
    kind = found.details["type"]
    if write := _SENTENCES.get(kind):
        return write(found)
    if simple := _MUST_BE.get(kind):
        return f"must be {simple}, {found.got}"
    if limit := _LIMITS.get(kind):
        context_key, words = limit
        return f"must be {words} {found.context[context_key]:.15g}, {found.got}"
    return f"is not valid: {found.details['msg']}"


def suggestion(word: str, choices: Iterable[str]) -> str:
    """Return `: did you mean …?` for the choice that is nearest, else nothing."""
    near = get_close_matches(word, list(choices), n=1, cutoff=0.6)
    return f": did you mean {near[0]}?" if near else ""


def _unknown_field(found: Found) -> str:
    *parents, key = found.details["loc"]
    fields = _fields_at(found.model, parents)
    text = "is not a field here"
    return text + (suggestion(str(key), fields) or f": there are {', '.join(fields)}")


def _fields_at(model: type[BaseModel], steps: Iterable[str | int]) -> list[str]:
    """Return the names of the fields, as one writes them, where the steps lead."""
    annotation: Any = model
    for step in steps:
        if step in KINDS:
            model = next(_models_in(_of_kind(annotation, step)), model)
        elif field := model.model_fields.get(str(step)):
            annotation = field.annotation
            model = next(_models_in(annotation), model)
    return [str(field.validation_alias or name) for name, field in model.model_fields.items()]


def _of_kind(annotation: Any, kind: object) -> Any:
    """Return the part of an annotation that has this kind as its tag, None where there is none."""
    inner = get_args(annotation)
    if any(isinstance(mark, Tag) and mark.tag == kind for mark in inner):
        return annotation
    return next(filter(None, (_of_kind(one, kind) for one in inner)), None)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)


def _not_text(found: Found) -> str:
    """Name the trap that a word such as `no` is a yes-or-no value without quotes."""
    problem = f"must be text, {found.got}"
    if found.written and not found.secret:
        return f"{problem}: write {quoted(found.written)} in quotes"
    return problem


def _not_number(found: Found) -> str:
    text = found.details["input"]
    whole = "a whole number" if found.details["type"].startswith("int") else "a number"
    problem = f"must be {whole}, {found.got}"
    if isinstance(text, str) and not found.secret and re.fullmatch(r"[-+]?\d+(\.\d+)?", text):
        return f"{problem}: take the quotes away"
    return problem


def _bad_choice(found: Found) -> str:
    choices = re.findall(r"'([^']*)'", found.context["expected"])
    return f"must be one of {', '.join(choices)}, {found.got}"


def _own_words(found: Found) -> str:
    return str(found.context["error"])


_SENTENCES: Final[Mapping[str, Callable[[Found], str]]] = {
    "missing": lambda found: "is missing",
    "extra_forbidden": _unknown_field,
    "string_type": _not_text,
    "int_type": _not_number,
    "float_type": _not_number,
    "literal_error": _bad_choice,
    "value_error": _own_words,
}
_MUST_BE: Final = {
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "finite_number": "a finite number",
    "dict_type": "a mapping, as key: value",
    "model_type": "a mapping, as key: value",
    "model_attributes_type": "a mapping, as key: value",
    "list_type": "a list, as [a, b]",
    "tuple_type": "a list, as [a, b]",
}
_LIMITS: Final = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "above"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "below"),
}
