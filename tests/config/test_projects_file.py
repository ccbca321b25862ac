from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from config.dependencies import find_cycles
from config.errors import ConfigError
from config.projects_file import ProjectSpec, read_projects, read_projects_text, validate_project


def _read(defaults: dict[str, Any], **project: Any) -> ProjectSpec:
    (spec,) = read_projects_text(
        yaml.safe_dump(
            {"defaults": defaults, "projects": [{"name": "a", "url": "http://a", **project}]}
        ),
        "projects.yaml",
    )
    return spec


def _lines(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read_projects_text(text, "f")
    return str(caught.value).splitlines()


def test_projects_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "projects.yaml"
    path.write_text(
        "projects:\n  - {name: b, url: http://b}\n  - {name: a, url: http://a}\n", encoding="utf-8"
    )
    assert [spec.name for spec in read_projects(path)] == ["b", "a"]


def test_a_file_may_have_no_projects_yet() -> None:
    assert read_projects_text("projects: []", "f") == ()


def test_defaults_lie_under_each_project_field_by_field() -> None:
    defaults = {"timeouts": {"health": "1s", "metrics": "2s"}, "tags": ["x"], "autonomy": "auto"}
    spec = _read(defaults, timeouts={"metrics": "3s"}, tags=["y"])
    timeouts = spec.timeouts
    seconds = (timeouts.health.seconds, timeouts.metrics.seconds, timeouts.details.seconds)
    assert seconds == (1, 3, 10)
    assert (spec.tags, spec.autonomy) == (("y",), "auto")


def test_a_section_with_nothing_in_it_leaves_the_defaults() -> None:
    spec = _read({"timeouts": {"health": "1s"}, "tags": ["x"]}, timeouts=None, tags=None)
    assert (spec.timeouts.health.seconds, spec.tags) == (1, ("x",))


def test_null_removes_what_the_defaults_give() -> None:
    defaults = {
        "thresholds": {"queue_depth": {"above": 5}},
        "headers": {"X-A": "a", "X-B": "b"},
        "metrics": {"queue_depth": "jobs"},
        "actions": {"restart": {"driver": "http", "url": "http://a"}},
        "ca_file": "/etc/ca.pem",
    }
    spec = _read(
        defaults,
        thresholds={"queue_depth": None},
        headers={"X-A": None},
        metrics={"queue_depth": None},
        actions={"restart": None},
        ca_file=None,
    )
    assert "queue_depth" not in spec.thresholds
    assert (spec.headers, spec.metrics, spec.actions) == ({"X-B": "b"}, {}, {})


def test_a_threshold_below_replaces_the_default_above() -> None:
    defaults = {"thresholds": {"queue_depth": {"above": 5, "for": "4 of 5"}}}
    threshold = _read(defaults, thresholds={"queue_depth": {"below": 1}}).thresholds["queue_depth"]
    assert (threshold.above, threshold.below, threshold.for_) == (None, 1, "4 of 5")


def test_a_metric_written_short_replaces_the_default_whole() -> None:
    defaults = {"metrics": {"queue_depth": {"metric": "jobs", "scale": 2}}}
    assert _read(defaults, metrics={"queue_depth": "tasks"}).metrics["queue_depth"].scale == 1


def test_nothing_after_a_required_key_is_missing() -> None:
    assert _lines("projects:\n  - name: a\n    url:\n") == ["f:3: projects.a.url: is missing"]


def test_a_duplicate_name_tells_both_lines() -> None:
    text = "projects:\n- {name: a, url: http://a}\n- url: http://a\n  name: a\n"
    assert _lines(text) == ["f:4: projects.a.name: is taken by the project in line 2"]


def test_a_fault_is_told_where_its_part_was_written() -> None:
    text = (
        "defaults:\n  thresholds:\n    q: {above: 5}\n"
        "projects:\n- name: a\n  url: http://a\n  thresholds:\n    q: {for: often}\n"
    )
    (line,) = _lines(text)
    assert line.startswith("f:8: projects.a.thresholds.q.for: must be a number of samples")


def test_a_project_with_other_faults_may_still_be_depended_on() -> None:
    text = "projects:\n- {name: a, url: x}\n- {name: b, url: http://b, depends_on: [a]}\n"
    assert [line.split(": ")[1] for line in _lines(text)] == ["projects.a.url"]


def test_thousands_of_unknown_dependencies_are_told_in_seconds() -> None:
    text = "projects:\n" + "".join(
        f"- {{name: p{i}, url: 'http://a', depends_on: [q{i}]}}\n" for i in range(3000)
    )
    assert len(_lines(text)) == 3000


def test_a_long_chain_of_dependencies_is_no_fault() -> None:
    chain = {str(i): [str(i + 1)] for i in range(20_000)} | {"20000": []}
    assert find_cycles(chain) == []


@given(st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdef"), max_size=3)))
def test_a_circle_is_found_exactly_when_there_is_one(depends_on: dict[str, list[str]]) -> None:
    cycles = find_cycles(depends_on)
    for cycle in cycles:
        assert cycle[0] == cycle[-1]
        assert all(then in depends_on[name] for name, then in pairwise(cycle))
    remaining = {name: {*others} & depends_on.keys() for name, others in depends_on.items()}
    while free := [name for name, others in remaining.items() if not others & remaining.keys()]:
        for name in free:
            del remaining[name]
    assert bool(cycles) == bool(remaining)


def test_a_project_of_the_command_line_is_validated_as_one_of_the_file() -> None:
    spec = validate_project({"name": "a", "url": "http://a/", "depends_on": ["anything"]})
    assert (spec.url, spec.depends_on) == ("http://a", ("anything",))


def test_the_faults_of_the_command_line_have_no_line() -> None:
    with pytest.raises(ConfigError) as caught:
        validate_project({"name": "a", "url": "x", "paths": {"health": "health"}})
    assert str(caught.value).splitlines() == [
        "command line: url: must be http:// or https:// and a host, as in http://127.0.0.1:8000,"
        ' got "x"',
        'command line: paths.health: must begin with /, as in /health, got "health"',
    ]


_KEYS = [
    *ProjectSpec.model_fields,
    "above",
    "for",
    "metric",
    "divide_by",
    "labels",
    "queue",
    "cpu_percent",
]
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=4)
    | st.sampled_from(["5s", "/x", "http://a", "${", "1 of 2"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(_VALUES, st.lists(_VALUES, max_size=3))
def test_whatever_a_file_holds_is_told_in_our_own_words(defaults: Any, projects: list[Any]) -> None:
    text = yaml.safe_dump({"defaults": defaults, "projects": projects}, allow_unicode=True)
    try:
        read_projects_text(text, "f")
    except ConfigError as error:
        for fault in error.faults:
            assert not fault.problem.startswith("is not valid: ")
            assert fault.line >= 1
