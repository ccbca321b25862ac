"""The reference of the rule language names all that there is, and its examples are right."""

import re
from pathlib import Path
from typing import get_args

import pytest

from rules.facts import FACT_FIELDS, SIGNAL_FIELDS
from rules.language.outcomes import ThenSection
from rules.language.reading import read_rules_text
from rules.language.rule_file import RuleSection
from rules.language.situations import EXPECTATIONS
from rules.rule import Operator

TEXT = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
WORDS = {
    *get_args(Operator),
    *SIGNAL_FIELDS,
    *FACT_FIELDS,
    *(name for fields in FACT_FIELDS.values() for name in fields),
    *(field.validation_alias or name for name, field in RuleSection.model_fields.items()),
    *ThenSection.model_fields,
    *EXPECTATIONS,
}


@pytest.mark.parametrize("word", sorted(map(str, WORDS)))
def test_each_word_of_the_language_is_explained(word: str) -> None:
    assert f"`{word}`" in TEXT


def test_the_rules_in_the_reference_are_right() -> None:
    blocks = [block for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.S) if "rules:" in block]
    assert blocks
    for block in blocks:
        assert read_rules_text(block, "docs/rules.md")
