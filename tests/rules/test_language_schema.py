"""The schema that editors use knows what the reader knows."""

import importlib
import json
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from config.escalation import EscalationStep
from config.healing import RetrySettings
from rules.language.json_schema import PATH, rules_schema, schema_text
from rules.language.outcomes import ThenSection
from rules.language.rule_file import RuleSection
from rules.language.situations import ExampleSection, StandingSection

Draft7: Final = importlib.import_module("jsonschema").Draft7Validator  # it comes without types
ROOT = Path(__file__).parents[2]
SEEN_BY_EDITORS = [
    "kind_missing",
    "field_unknown",
    "operator_misspelt",
    "operator_for_tags",
    "number_is_text",
    "text_of_few",
    "list_is_text",
    "fact_field",
    "within_missing",
    "then_two_things",
    "retry_field",
    "mode",
    "examples_missing",
    "example_expectation",
    "example_field",
]


def _content(path: Path) -> Any:
    text = path.read_text(encoding="utf-8").replace(" on: ", ' "on": ')
    return yaml.safe_load(text)


def _complaints(path: Path) -> list[str]:
    validator = Draft7(rules_schema())
    return [error.message for error in validator.iter_errors(_content(path))]


def test_the_schema_beside_the_rules_is_the_one_that_is_made() -> None:
    assert PATH.read_text(encoding="utf-8") == schema_text(), (
        "write it with: python -m rules.language.json_schema"
    )


def test_it_is_a_schema() -> None:
    Draft7.check_schema(json.loads(schema_text()))


@pytest.mark.parametrize(
    "path", sorted((ROOT / "rules").glob("l*/*.yaml")), ids=lambda path: path.stem
)
def test_a_rule_file_fits_the_schema_that_it_names(path: Path) -> None:
    assert _complaints(path) == []
    first = path.read_text(encoding="utf-8").splitlines()[0]
    named = first.removeprefix("# yaml-language-server: $schema=")
    assert (path.parent / named).resolve() == PATH


@pytest.mark.parametrize("name", SEEN_BY_EDITORS)
def test_an_editor_sees_a_mistake(name: str) -> None:
    assert _complaints(ROOT / "tests" / "bad" / "rules" / f"{name}.yaml")


@pytest.mark.parametrize(
    ("definition", "model"),
    [
        ("rule", RuleSection),
        ("retry", RetrySettings),
        ("step", EscalationStep),
        ("example", ExampleSection),
    ],
)
def test_the_schema_has_the_fields_that_are_read(definition: str, model: Any) -> None:
    assert set(rules_schema()["definitions"][definition]["properties"]) == _fields(model)


def test_the_schema_has_all_that_can_follow() -> None:
    ways = rules_schema()["definitions"]["then"]["oneOf"]
    assert {name for way in ways for name in way["properties"]} == _fields(ThenSection)


def test_the_schema_has_all_standings() -> None:
    example = rules_schema()["definitions"]["example"]["properties"]
    assert set(example["standing"]["properties"]) == _fields(StandingSection)


def _fields(model: Any) -> set[str]:
    return {field.validation_alias or name for name, field in model.model_fields.items()}
