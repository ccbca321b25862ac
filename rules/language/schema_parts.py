"""What the JSON schema of rule files is put together from."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rules.facts import METRICS, FieldKind
from rules.language.operands import MOST_CHARACTERS
from rules.language.vocabulary import OPERATORS, Vocabulary

Schema = dict[str, Any]

_ABOUT: Final[Mapping[str, str]] = {
    "eq": "is this; of tags: has this one",
    "ne": "is something else, or missing",
    "gt": "is more than",
    "gte": "is this or more",
    "lt": "is less than",
    "lte": "is this or less",
    "in": "is one of these; of tags: has any of them",
    "not_in": "is none of these, or missing; of tags: has none of them",
    "exists": "is there (true) or is missing (false)",
    "glob": "fits a pattern in which * is any text and ? any character",
    "regex": "holds a text that fits this regular expression of Python",
}
DURATION: Final[Schema] = {
    "type": "string",
    "pattern": r"^\s*([0-9]+(\.[0-9]+)?(d|h|ms|m|s))+\s*$",
    "examples": ["30s", "2m", "1h30m"],
}


_METRIC: Final = f"^{METRICS.replace('.', '[.]')}."
_NUMBER: Final[Schema] = {"type": "number"}
_EXPRESSION: Final[Schema] = {
    "type": "string",
    "pattern": r"^\s*=",
    "examples": ["= baseline * 1.5 + 5"],
}


def condition(words: Vocabulary, about: str) -> Schema:
    """Return the schema of tests on the fields of one thing."""
    schema = closed(
        {name: ref(_asked_name(name, kind, words)) for name, kind in words.fields.items()}
    )
    if words.has_metrics:
        schema["patternProperties"] = {_METRIC: ref("asked-number")}
    return {**schema, "description": about}


def given(words: Vocabulary, *, age: bool = False) -> Schema:
    """Return the schema of one thing as an example gives it."""
    fields: Schema = {"age": ref("duration")} if age else {}
    for name, kind in words.fields.items():
        value = _value(kind, words.choices.get(name, ()))
        tags = {"anyOf": [value, {"type": "array", "items": value}]}
        fields[name] = {"anyOf": [tags if kind == "tags" else value, {"type": "null"}]}
    schema = closed(fields)
    if words.has_metrics:
        schema["patternProperties"] = {_METRIC: {"type": ["number", "null"]}}
    return schema


def asked_definitions(every: Sequence[Vocabulary]) -> dict[str, Schema]:
    """Return the schemas that `condition` refers to: what can be asked of each sort of field."""
    return {
        "asked-number": _asked("number", ()),
        **{
            _asked_name(name, kind, words): _asked(kind, words.choices.get(name, ()))
            for words in every
            for name, kind in words.fields.items()
        },
    }


def closed(fields: Mapping[str, Schema], *, required: Sequence[str] = ()) -> Schema:
    """Return the schema of a mapping that has no other fields."""
    schema: Schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": dict(fields),
    }
    return {**schema, "required": list(required)} if required else schema


def listed(items: Schema, about: str, most: int | None = None) -> Schema:
    """Return the schema of a list of such items."""
    schema: Schema = {"type": "array", "description": about, "items": items}
    return schema | ({"maxItems": most} if most else {})


def text(about: str) -> Schema:
    return {"type": "string", "description": about}


def whole(about: str, least: int, most: int, usual: int) -> Schema:
    """Return the schema of a whole number within limits."""
    limits = {"minimum": least, "maximum": most, "default": usual}
    return {"type": "integer", "description": about, **limits}


def duration(about: str) -> Schema:
    return {**DURATION, "description": about}


def ref(name: str) -> Schema:
    return {"$ref": f"#/definitions/{name}"}


def _asked_name(name: str, kind: FieldKind, words: Vocabulary) -> str:
    if name not in words.choices:
        return f"asked-{kind}"
    return f"asked-{words.word}-{name}"


def _asked(kind: FieldKind, choices: Sequence[str]) -> Schema:
    value = _value(kind, choices)
    single = {"anyOf": [value, _EXPRESSION]} if kind == "number" else value
    several: Schema = {"type": "array", "minItems": 1, "items": value}
    words: Schema = {"type": "string", "maxLength": MOST_CHARACTERS}
    special: dict[str, Schema] = {
        "in": several,
        "not_in": several,
        "glob": words,
        "regex": words,
        "exists": {"type": "boolean"},
    }
    operators: dict[str, Schema] = {
        operator: {**special.get(operator, single), "description": _ABOUT[operator]}
        for operator in OPERATORS[kind]
    }
    return {"anyOf": [single, several, {**closed(operators), "minProperties": 1}]}


def _value(kind: FieldKind, choices: Sequence[str]) -> Schema:
    match kind:
        case "number":
            return _NUMBER
        case "flag":
            return {"type": "boolean"}
        case "text" | "tags" if choices:
            return {"enum": list(choices)}
        case "text" | "tags":
            return {"type": "string", "maxLength": MOST_CHARACTERS}
