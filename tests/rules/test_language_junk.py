"""Whatever a rule file holds, it is read or refused with its line, and nothing else happens."""

from pathlib import Path
from typing import Any, Final

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import ConfigError, Fault
from rules.language.reading import read_rules_text

LIBRARY: Final = sorted((Path(__file__).parents[2] / "rules" / "library").glob("*.yaml"))
FILES: Final = [
    yaml.safe_load(path.read_text(encoding="utf-8").replace(" on: ", ' "on": ')) for path in LIBRARY
]
WORDS = st.sampled_from(["=", "any", "on", "5", "1m", "", "= value", "(a+)+", "\U0001f525", "a\nb"])
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=4,
)


def _places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items: dict[Any, Any] = {}
    if isinstance(value, dict | list):
        items = value if isinstance(value, dict) else dict(enumerate(value))
    return [at, *(place for key, item in items.items() for place in _places(item, (*at, key)))]


def _replaced(value: Any, at: tuple[Any, ...], junk: Any) -> Any:
    if not at:
        return junk
    key, *rest = at
    inner = _replaced(value[key], tuple(rest), junk)
    if isinstance(value, dict):
        return {**value, key: inner}
    return [*value[:key], inner, *value[key + 1 :]]


def _faults(text: str) -> tuple[Fault, ...]:
    try:
        read_rules_text(text, "rules.yaml")
    except ConfigError as error:
        return error.faults
    return ()


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_part_of_a_rule_can_be_anything(data: st.DataObject) -> None:
    content = data.draw(st.sampled_from(FILES))
    place = data.draw(st.sampled_from(_places(content)))
    text = yaml.safe_dump(_replaced(content, place, data.draw(JUNK)), allow_unicode=True)
    assert all(fault.line >= 1 and fault.problem for fault in _faults(text))
