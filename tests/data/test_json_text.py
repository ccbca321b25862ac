"""JSON that Postgres takes."""

import json
import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.json_text import to_json

_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.text('\\u0\x00\x01a"', max_size=20))
def test_only_nul_characters_are_replaced(text: str) -> None:
    assert json.loads(to_json(text)) == text.replace("\x00", "\ufffd")


@given(_values)
def test_the_value_comes_back(value: object) -> None:
    if "\\u0000" not in json.dumps(value):
        assert json.loads(to_json(value)) == value


def test_instants_are_iso() -> None:
    assert to_json(datetime(2026, 1, 2, tzinfo=UTC)) == '"2026-01-02T00:00:00+00:00"'


def test_what_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json(math.nan)
