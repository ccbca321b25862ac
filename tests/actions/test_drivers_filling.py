"""Whatever a parameter holds, it stays in its place."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actions.filling import CannotFill, Filling, as_text
from actions.parameters import ParameterError
from actions.secret_filling import MASK, Secrets
from tests.actions.targets import call

PARAMETERS = {"value": {"type": "text", "max_length": 10_000}}
ENVIRON = {"TOKEN": "hunter2"}
values = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    ["..", "../x", "a/../b", "-x", "--", "${TOKEN}", "{project}", "$$", "%2e%2e", "a b", "?#@:/\\"]
)


def _filling(value: str) -> Filling:
    one = call(given={"value": value}, driver="command", argv=["x"], parameters=PARAMETERS)
    return Filling(one, Secrets(ENVIRON), now=datetime(2026, 1, 31, 22, tzinfo=UTC))


def _fill(value: str, how: str, template: Any) -> Any:
    """Return what comes of a template, None where the value is refused."""
    try:
        return getattr(_filling(value), how)(template)
    except (CannotFill, ParameterError):
        return None


@settings(deadline=None)
@given(values)
def test_in_an_address_it_is_one_segment_and_one_value(value: str) -> None:
    url = _fill(value, "url", "http://host/a/{value}/b?q={value}&r=1")
    if url is None:
        return
    sent = httpx.URL(url)
    _, before, segment, after = sent.raw_path.decode().partition("?")[0].split("/")
    assert (sent.host, before, unquote(segment), after) == ("host", "a", value, "b")
    query = parse_qs(urlsplit(str(sent)).query, keep_blank_values=True)
    assert query == {"q": [value], "r": ["1"]}


@settings(deadline=None)
@given(values)
def test_in_an_argument_it_is_that_argument(value: str) -> None:
    argument = _fill(value, "argument", "{value}")
    assert argument is None or (argument == value and not argument.startswith("-"))
    assert _fill(value, "argument", "--to={value}") in {None, f"--to={value}"}


@settings(deadline=None)
@given(values)
def test_in_json_it_is_that_text(value: str) -> None:
    filled = _fill(value, "json", {"a": ["{value}", "<{value}>"]})
    assert filled is None or json.loads(json.dumps(filled)) == {"a": [value, f"<{value}>"]}


@settings(deadline=None)
@given(values)
def test_in_a_header_it_cannot_begin_another(value: str) -> None:
    try:
        header = _filling(value).header("X-A", "a {value}")
    except (CannotFill, ParameterError):
        return
    assert header.isascii()
    assert header.isprintable()
    assert header == f"a {value}".strip()


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=3), st.text(), st.text())
def test_a_secret_is_masked_wherever_it_stands(secret: str, before: str, after: str) -> None:
    secrets = Secrets({"TOKEN": secret})
    secrets.fill("${TOKEN}")
    assert secrets.mask(before + secret + after) != before + secret + after or secret in MASK
    assert secret not in secrets.mask(secret) or secret in MASK


def test_a_default_that_is_filled_in_is_not_masked() -> None:
    secrets = Secrets({})
    assert secrets.fill("${TEAM:-operations}") == "operations"
    assert secrets.mask("operations") == "operations"


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (3, "3"), (3.0, "3"), (0.5, "0.5"), ("a", "a"), (1e15, "1" + "0" * 15)],
)
def test_values_are_written_as_people_do(value: Any, text: str) -> None:
    assert as_text(value) == text


def test_the_instant_is_that_of_the_try() -> None:
    assert _filling("a").text("{now} {value}") == "2026-01-31T22:00:00Z a"
