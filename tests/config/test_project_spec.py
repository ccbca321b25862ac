import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from config.durations import format_duration
from config.projects_file import ProjectSpec, Threshold

_BUILT_IN = {"cpu_percent": 80, "memory_percent": 85, "error_rate_percent": 5, "response_ms": 2000}


def _spec(**fields: Any) -> ProjectSpec:
    return ProjectSpec.model_validate({"name": "chatbot", "url": "http://127.0.0.1:8001", **fields})


def _names() -> st.SearchStrategy[str]:
    return st.from_regex(r"[a-z0-9]([a-z0-9._-]{0,20}[a-z0-9])?", fullmatch=True)


def _between(least: timedelta, most: timedelta) -> st.SearchStrategy[str]:
    return st.timedeltas(min_value=least, max_value=most).map(format_duration)


def _words() -> st.SearchStrategy[str]:
    return st.text(st.characters(categories=["L", "N", "P"], exclude_characters="{}"), min_size=1)


def _numbers() -> st.SearchStrategy[float]:
    return st.floats(allow_nan=False, allow_infinity=False)


def _thresholds() -> st.SearchStrategy[dict[str, Any]]:
    side = st.sampled_from(["above", "below"])
    samples = st.integers(1, 100).flatmap(
        lambda window: st.integers(1, window).map(lambda needed: f"{needed} of {window}")
    )
    return st.builds(
        lambda side, limit, samples, severity: {side: limit, "for": samples, "severity": severity},
        side,
        _numbers(),
        samples,
        st.sampled_from(["warning", "critical"]),
    )


def _sources() -> st.SearchStrategy[Any]:
    divisors = st.none() | _numbers().filter(bool)
    fields = {
        "labels": st.dictionaries(_words(), _words(), max_size=2),
        "aggregate": st.sampled_from(["sum", "mean", "max", "min", "first"]),
        "rate": st.booleans(),
        "scale": _numbers(),
        "offset": _numbers(),
    }
    leaf = st.fixed_dictionaries({"metric": _words(), "divide_by": divisors}, optional=fields)
    return _words() | st.recursive(
        leaf,
        lambda inner: st.fixed_dictionaries({"metric": _words(), "divide_by": inner | _words()}),
        max_leaves=3,
    )


def _json_values() -> st.SearchStrategy[Any]:
    text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0{}$"))
    return st.recursive(
        st.none() | st.booleans() | st.integers() | _numbers() | text,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(text, inner, max_size=2),
        max_leaves=4,
    )


def _actions() -> st.SearchStrategy[dict[str, Any]]:
    risks = st.sampled_from(["reversible", "disruptive", "destructive"])
    common = {"risk": risks, "timeout": _between(timedelta(seconds=1), timedelta(minutes=10))}
    request = st.fixed_dictionaries(
        {"driver": st.just("http"), "url": st.just("https://a/{project}?k=${KEY}"), **common},
        optional={
            "method": st.sampled_from(["GET", "POST", "PATCH"]),
            "body": _json_values(),
            "undo": st.none(),
            "success": st.fixed_dictionaries(
                {"status": st.lists(st.sampled_from(["2xx", 204, "304"]), min_size=1)},
                optional={"json": st.dictionaries(_words(), st.none() | st.integers())},
            ),
        },
    )
    command = st.fixed_dictionaries(
        {"driver": st.just("command"), "argv": st.just(["kubectl", "-n", "{project}"]), **common},
        optional={"success_exit_codes": st.lists(st.integers(0, 255), min_size=1)},
    )
    return st.dictionaries(_words(), request | command, max_size=2)


def _projects() -> st.SearchStrategy[dict[str, Any]]:
    second, minute, hour = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
    paths = st.none() | st.sampled_from(["/", "/health", "/m?format=text"])
    return st.fixed_dictionaries(
        {"name": _names(), "url": st.sampled_from(["http://a", "https://[::1]:8443/base"])},
        optional={
            "paths": st.dictionaries(st.sampled_from(["health", "logs"]), paths),
            "intervals": st.fixed_dictionaries({"health": _between(second, hour)}),
            "timeouts": st.fixed_dictionaries({"metrics": _between(second, minute)}),
            "health_policy": st.fixed_dictionaries({"failure_threshold": st.integers(1, 20)}),
            "thresholds": st.dictionaries(
                st.sampled_from([*_BUILT_IN, "queue_depth"]), st.none() | _thresholds()
            ),
            "trend": st.fixed_dictionaries({"enabled": st.booleans()}),
            "tags": st.lists(_words().filter(lambda word: "," not in word and len(word) < 60)),
            "depends_on": st.lists(_names()),
            "autonomy": st.sampled_from(["observe", "suggest", "approve", "auto"]),
            "headers": st.sampled_from([{}, {"Authorization": "Bearer ${TOKEN:-x}", "X-A": "$$"}]),
            "metrics": st.dictionaries(_words(), _sources(), max_size=2),
            "actions": _actions(),
            "enabled": st.booleans(),
            "ca_file": st.none() | st.just("/etc/ca.pem"),
            "max_body_bytes": st.integers(1_000, 20_000_000),
        },
    )


@settings(deadline=None)
@given(_projects())
def test_a_spec_reads_back_from_its_json_as_it_was(project: dict[str, Any]) -> None:
    spec = ProjectSpec.model_validate(project)
    stored = json.loads(json.dumps(spec.model_dump(mode="json", by_alias=True)))
    assert ProjectSpec.model_validate(stored) == spec


def test_a_name_and_a_url_are_enough() -> None:
    spec = _spec()
    assert {name: threshold.above for name, threshold in spec.thresholds.items()} == _BUILT_IN
    assert (spec.paths.health, spec.intervals.health) == ("/health", timedelta(seconds=10))
    assert (spec.autonomy, spec.enabled, spec.verify_tls) == ("suggest", True, True)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("http://127.0.0.1:8001/", "http://127.0.0.1:8001"),
        ("HTTPS://Chatbot.Example/Base//", "https://chatbot.example/Base"),
        ("http://[::1]:80", "http://[::1]:80"),
        ("http://a/@home", "http://a/@home"),
    ],
)
def test_a_url_is_kept_without_the_slash_at_its_end(given: str, kept: str) -> None:
    assert _spec(url=given).url == kept


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "http://a:",
        "http://a:0",
        "http://[::1",
        "//a",
        "http:///x",
        "ann:pw@a",
        "http://a b",
        "http://a#x",
        "http://a?",
        "http://ü.example",
        "http://a\\b",
        "javascript:alert(1)",
        "",
    ],
)
def test_what_is_no_address_of_a_service_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        _spec(url=url)


def test_a_threshold_of_null_removes_the_built_in_one() -> None:
    assert "cpu_percent" not in _spec(thresholds={"cpu_percent": None}).thresholds


def test_a_threshold_may_change_one_field_of_the_built_in_one() -> None:
    changed = _spec(thresholds={"cpu_percent": {"for": "3 of 5"}}).thresholds["cpu_percent"]
    assert (changed.above, changed.needed, changed.window) == (80, 3, 5)


def test_a_threshold_below_replaces_the_built_in_one_above() -> None:
    changed = _spec(thresholds={"cpu_percent": {"below": 1}}).thresholds["cpu_percent"]
    assert (changed.above, changed.below) == (None, 1)


@pytest.mark.parametrize("samples", ["3", 3, "3 of 3", " 3  of 3 "])
def test_a_threshold_for_three_means_three_of_three(samples: object) -> None:
    threshold = Threshold.model_validate({"above": 1, "for": samples})
    assert (threshold.needed, threshold.window, threshold.for_) == (3, 3, "3 of 3")


@pytest.mark.parametrize("samples", [0, 101, "0 of 3", "2 of 101", True, 2.5, "2/3", "", None, []])
def test_samples_that_cannot_be_are_refused(samples: object) -> None:
    if samples is None:
        assert Threshold.model_validate({"above": 1, "for": None}).for_ == "2 of 3"
        return
    with pytest.raises(ValidationError):
        Threshold.model_validate({"above": 1, "for": samples})


def test_a_section_with_nothing_in_it_counts_as_not_given() -> None:
    assert _spec(timeouts=None, thresholds=None, tags=None, headers=None) == _spec()


def test_null_is_kept_where_it_means_not_offered() -> None:
    assert _spec(paths={"metrics": None}).paths.metrics is None


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, "a\0b", timedelta(1)])
def test_a_body_that_no_database_could_keep_is_refused(value: object) -> None:
    restart = {"driver": "http", "url": "http://a", "body": {"value": value}}
    with pytest.raises(ValidationError):
        _spec(actions={"restart": restart})


@pytest.mark.parametrize("value", ["a\r\nX-B: c", "a\tb", "ä", "", "${A:-\n}"])
def test_a_header_that_could_inject_another_is_refused(value: str) -> None:
    with pytest.raises(ValidationError):
        _spec(headers={"X-A": value})


@pytest.mark.parametrize("name", ["X A", "X:A", "", "X\n", "Ä", "Transfer-Encoding"])
def test_a_name_that_is_no_header_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        _spec(headers={name: "a"})
