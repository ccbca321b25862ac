"""What may be given with an action."""

from typing import Any

import pytest

from actions.parameters import ParameterError, check
from tests.actions.targets import call

PARAMETERS = {
    "shards": {"type": "integer", "default": 4, "minimum": 1, "maximum": 64},
    "mode": {"type": "text", "choices": ["fast", "full"]},
    "note": {"type": "text", "required": False},
}


def _check(**given: Any) -> dict[str, Any]:
    spec = call(
        "reindex", {"mode": "fast"}, driver="command", argv=["x"], parameters=PARAMETERS
    ).spec
    return check("reindex", spec, given)


def test_defaults_are_filled_in_and_what_may_be_left_out_is() -> None:
    assert _check(mode="fast") == {"shards": 4, "mode": "fast"}


def test_whole_numbers_that_came_as_fractions_are_whole_again() -> None:
    shards = _check(mode="full", shards=8.0)["shards"]
    assert (shards, type(shards)) == (8, int)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "reindex: mode is missing"),
        ({"mode": None}, "reindex: mode is missing"),
        ({"mode": "slow"}, 'reindex: mode must be one of fast, full; "slow" was given'),
        ({"mode": 1}, "reindex: mode must be text, got a number; 1 was given"),
        ({"mode": "fast", "shards": 65}, "reindex: shards must be at most 64; 65 was given"),
        (
            {"mode": "fast", "shards": True},
            "reindex: shards must be a whole number, got true or false; true was given",
        ),
        (
            {"mode": "fast", "shard": 1},
            "reindex: shard is no parameter of it: did you mean shards?",
        ),
    ],
)
def test_what_does_not_fit_is_told(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError) as caught:
        _check(**given)
    assert str(caught.value) == message


def test_an_error_tells_its_parts() -> None:
    with pytest.raises(ParameterError) as caught:
        _check()
    error = caught.value
    assert (error.action, error.parameter, error.problem) == ("reindex", "mode", "is missing")


def test_a_deploy_needs_the_version_that_it_uses() -> None:
    uses = call("deploy", driver="command", argv=["x", "{version}"]).spec
    fixed = call("deploy", driver="command", argv=["x"]).spec
    assert check("deploy", fixed, {}) == {}
    with pytest.raises(ParameterError, match="version is missing"):
        check("deploy", uses, {})
