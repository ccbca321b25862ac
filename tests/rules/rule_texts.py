"""Rule files in short, for tests."""

from pathlib import Path

from rules.engine import Engine
from rules.language.reading import book_of, read_rules_text

RULE = """
rules:
  - name: {name}
    priority: {priority}
    when: {when}
    then: {then}
    examples: [{example}]
"""


def rule_text(
    name: str = "restart-it",
    *,
    when: str = "{kind: cpu, value: {gte: 90}}",
    then: str = "{action: restart}",
    example: str = "{given: {kind: other}, expect: no_match}",
    priority: int = 100,
) -> str:
    """Return the text of a file with one rule."""
    return RULE.format(name=name, when=when, then=then, example=example, priority=priority)


def engine_of(*texts: str) -> Engine:
    """Return an engine with the rules of texts of files."""
    return Engine(book_of(rule for text in texts for rule in read_rules_text(text, "rules.yaml")))


def save(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path
