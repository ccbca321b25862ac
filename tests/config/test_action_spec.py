"""What may be declared as an action; what may not is in tests/bad/projects."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from config.action_parameters import ParameterSpec
from config.action_relations import unknown_contacts
from config.action_spec import (
    VERBS,
    CommandAction,
    HttpAction,
    NotifyAction,
    parameters_of,
    risk_of,
)
from config.action_templates import fill, only_placeholder, placeholders
from config.errors import ConfigError
from config.projects_file import ProjectSpec, read_projects_text, validate_project

HTTP = {"driver": "http", "url": "http://a"}


def _spec(**actions: Any) -> ProjectSpec:
    return validate_project({"name": "chatbot", "url": "http://a", "actions": actions})


def _refusal(**actions: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        _spec(**actions)
    return str(caught.value)


def test_each_driver_has_fields_of_its_own() -> None:
    spec = _spec(
        restart=HTTP,
        rollback={"driver": "command", "argv": ["kubectl", "rollout", "undo"]},
        notify={"driver": "notify", "contact": "ops", "message": "{project} needs you"},
    )
    kinds = {name: type(action) for name, action in spec.actions.items()}
    assert kinds == {"restart": HttpAction, "rollback": CommandAction, "notify": NotifyAction}


def test_an_action_of_an_older_version_reads_well() -> None:
    stored = {**HTTP, "method": "POST", "risk": "disruptive", "undo": None}
    restart = _spec(restart=stored).actions["restart"]
    assert isinstance(restart, HttpAction)
    assert (restart.method, restart.risk, restart.undo) == ("POST", "disruptive", None)


def test_a_spec_with_every_kind_of_action_reads_back_from_its_json() -> None:
    spec = _spec(
        pause={**HTTP, "body": {"a": [None, 1.5, "{reason}"]}, "success": {"json": {"ok": None}}},
        resume={"driver": "command", "argv": ["a"], "environment": {"TOKEN": "${TOKEN}"}},
        tell={"driver": "notify", "contact": "ops", "message": "m", "risk": "reversible"},
        scale={
            **HTTP,
            "url": "http://a/{instances}",
            "parameters": {"instances": {"type": "integer", "choices": [1, 2], "default": 2}},
        },
    )
    stored = json.loads(json.dumps(spec.model_dump(mode="json", by_alias=True)))
    assert ProjectSpec.model_validate(stored) == spec


def test_pause_and_resume_undo_each_other_without_being_told() -> None:
    spec = _spec(pause=HTTP, resume=HTTP)
    assert {name: action.undo for name, action in spec.actions.items()} == {
        "pause": "resume",
        "resume": "pause",
    }


def test_an_undo_of_null_is_none() -> None:
    assert _spec(pause={**HTTP, "undo": None}, resume=HTTP).actions["pause"].undo is None


def test_a_verb_has_no_undo_that_is_not_declared() -> None:
    assert _spec(pause=HTTP).actions["pause"].undo is None


def test_the_risk_is_the_verbs_unless_the_project_says_another() -> None:
    spec = _spec(restart=HTTP, pause={**HTTP, "risk": "destructive"})
    risks = [risk_of(name, action) for name, action in spec.actions.items()]
    assert risks == ["disruptive", "destructive"]


def test_an_unknown_name_without_a_risk_counts_as_destructive() -> None:
    restart = _spec(restart=HTTP).actions["restart"]
    assert risk_of("reindex", restart) == "destructive"


def test_a_verb_has_the_standard_parameters_that_it_uses() -> None:
    spec = _spec(deploy=HTTP, scale={**HTTP, "body": {"n": "{instances}"}})
    assert parameters_of("deploy", spec.actions["deploy"]) == {}
    assert parameters_of("scale", spec.actions["scale"]) == VERBS["scale"].parameters


def test_a_declared_parameter_goes_before_the_standard_one() -> None:
    own = {"instances": {"type": "integer", "maximum": 3}}
    scale = _spec(scale={**HTTP, "url": "http://a/{instances}", "parameters": own}).actions["scale"]
    assert parameters_of("scale", scale)["instances"].maximum == 3


def test_the_secrets_that_an_action_needs_are_known() -> None:
    spec = _spec(
        restart={**HTTP, "url": "${BASE}/a", "headers": {"A": "${T}"}, "body": ["${T}${B:-x}$$"]},
        pause={"driver": "command", "argv": ["a", "$HOME"], "environment": {"A": "${KEY}"}},
    )
    needed = {name: action.secrets for name, action in spec.actions.items()}
    assert needed == {"restart": ("BASE", "T"), "pause": ("KEY",)}


def test_a_notice_to_nobody_of_the_hub_is_told() -> None:
    tell = {"driver": "notify", "contact": "opertors", "message": "m", "risk": "reversible"}
    actions = _spec(tell=tell, ask={**tell, "contact": "ann"}, restart=HTTP).actions
    (misfit,) = unknown_contacts(actions, {"operators", "ann"})
    assert misfit.at == ("tell", "contact")
    assert misfit.problem.endswith('got "opertors": did you mean operators?')


def test_what_every_template_may_name_is_no_fault() -> None:
    body = {"text": "{project} {action} {attempt_id} {now} {actor} {reason}"}
    assert isinstance(_spec(restart={**HTTP, "body": body}).actions["restart"], HttpAction)


def test_an_action_of_the_defaults_is_laid_under_that_of_a_project() -> None:
    text = """
defaults:
  actions:
    restart: {driver: http, url: "http://platform/{project}", headers: {X-A: a, X-B: b}}
    pause: {driver: http, url: "http://platform/{project}/pause"}
projects:
  - name: chatbot
    url: http://a
    actions: {restart: {timeout: 1m, headers: {X-A: null}}, pause: null}
"""
    (spec,) = read_projects_text(text, "f")
    restart = spec.actions["restart"]
    assert isinstance(restart, HttpAction)
    assert (list(spec.actions), restart.headers) == (["restart"], {"X-B": "b"})
    assert restart.timeout.total_seconds() == 60


def test_an_undo_that_a_project_removed_is_told_where_it_was_written() -> None:
    text = """
defaults:
  actions:
    pause: {driver: command, argv: [a], undo: resume}
    resume: {driver: command, argv: [a]}
projects:
  - name: chatbot
    url: http://a
    actions: {resume: null}
"""
    with pytest.raises(ConfigError) as caught:
        read_projects_text(text, "f")
    (fault,) = caught.value.faults
    assert (fault.line, fault.field) == (4, "defaults.actions.pause.undo")


@pytest.mark.parametrize(
    "argv",
    [
        ["sh", "restart.sh", "{project}"],
        ["/usr/local/bin/restart", "-c", "{project}"],
        ["kubectl", "-c", "sh"],
        ["bash", "--norc", "script.sh", "-c"],
        ["bash", "-o", "pipefail", "script.sh", "-c"],
    ],
)
def test_a_script_file_may_be_given_to_a_shell(argv: list[str]) -> None:
    assert _spec(restart={"driver": "command", "argv": argv})


@pytest.mark.parametrize(
    "argv",
    [
        ["sh", "-c", "x"],
        ["/bin/dash", "-ec", "x"],
        ["env", "A=b", "zsh", "-f", "-c", "x"],
        ["fish", "--command", "x"],
        ["nice", "-n", "5", "ksh", "-xc", "x"],
        ["bash", "-o", "pipefail", "-c", "x"],
        ["bash", "+x", "-eo", "pipefail", "-c", "x"],
        ["busybox", "sh", "-c", "x"],
        ["su", "chatbot", "-c", "x"],
        ["sudo", "su", "-c", "x"],
    ],
)
def test_text_for_a_shell_is_refused(argv: list[str]) -> None:
    assert "must not give text to" in _refusal(restart={"driver": "command", "argv": argv})


@pytest.mark.parametrize(
    "url",
    [
        "${BASE}",
        "${BASE}/a",
        "${BASE}?a=b",
        "https://${HOST}/a",
        "http://[::1]:8080/{project}?a={now}",
    ],
)
def test_an_address_may_have_secrets_and_placeholders(url: str) -> None:
    assert _spec(restart={**HTTP, "url": url})


@pytest.mark.parametrize(
    "url", ["", "a", "//a", "http://", "http://{actor}/", "${BASE}a", "http://a:0", "http://a/#x"]
)
def test_what_can_be_no_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        _spec(restart={**HTTP, "url": url})


class TestTemplates:
    @pytest.mark.parametrize(
        ("template", "names"),
        [
            ("a {b} {c}{b}", ("b", "c")),
            ("${b} $${c}", ("c",)),
            ("{{b}} { b } {1} {} {a-b}", ()),
            ("query { me { id } }", ()),
            ("${A:-{b}", ()),
        ],
    )
    def test_a_placeholder_is_a_name_in_braces(self, template: str, names: tuple[str, ...]) -> None:
        assert placeholders(template) == names

    def test_doubled_braces_are_a_placeholder_that_is_not_filled_in(self) -> None:
        assert fill("{{a}} {a}", lambda _: "x", lambda _: "y") == "{a} x"

    def test_a_text_may_be_one_placeholder_and_nothing_else(self) -> None:
        wanted = {"{a}": "a", "{a} ": None, "{{a}}": None, "${a}": None}
        assert {text: only_placeholder(text) for text in wanted} == wanted

    @given(st.text(), st.text())
    def test_what_is_filled_in_is_not_read_again(self, value: str, secret: str) -> None:
        filled = fill("<{a}|${B}|$$>", lambda _: value, lambda written: secret + written)
        assert filled == f"<{value}|{secret}${{B}}|{secret}$$>"


class TestParameterSpec:
    @pytest.mark.parametrize(
        ("kind", "given_value", "read"),
        [
            ("integer", 3.0, 3),
            ("integer", 3, 3),
            ("number", 3, 3),
            ("number", 0.5, 0.5),
            ("text", "a\nb", "a\nb"),
            ("boolean", False, False),
        ],
    )
    def test_a_value_is_read_as_its_type(
        self, kind: Any, given_value: object, read: object
    ) -> None:
        value = ParameterSpec(type=kind).read(given_value)
        assert (value, type(value)) == (read, type(read))

    @pytest.mark.parametrize(
        ("kind", "value"),
        [
            ("integer", 2.5),
            ("integer", True),
            ("integer", float("inf")),
            ("integer", float("nan")),
            ("number", "1"),
            ("number", 1e300),
            ("text", 1),
            ("text", "a\0"),
            ("text", "\x1b[31m"),
            ("text", "x" * 201),
            ("boolean", 1),
            ("text", None),
            ("text", ["a"]),
        ],
    )
    def test_another_type_is_refused(self, kind: Any, value: object) -> None:
        with pytest.raises(ValueError, match=r"^must "):
            ParameterSpec(type=kind).read(value)

    def test_a_parameter_with_a_default_need_not_be_given(self) -> None:
        assert not ParameterSpec(type="text", default="a").needed
        assert ParameterSpec(type="text").needed

    def test_a_default_must_be_one_of_the_choices(self) -> None:
        with pytest.raises(ValidationError):
            ParameterSpec(type="text", choices=("a", "b"), default="c")


_KEYS = [
    *HttpAction.model_fields,
    *CommandAction.model_fields,
    *NotifyAction.model_fields,
    *ParameterSpec.model_fields,
    "json",
    "status",
    "restart",
]
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=4)
    | st.sampled_from(["http", "command", "notify", "5s", "http://a/{b}", "${", "{b}", "2xx"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=5)
    ),
    max_leaves=15,
)


@given(
    st.dictionaries(st.sampled_from(_KEYS), _VALUES, max_size=6),
    st.sampled_from(["http", "command", "notify", None]),
)
def test_whatever_an_action_holds_is_told_in_our_own_words(
    action: dict[str, Any], driver: str | None
) -> None:
    try:
        _spec(restart={**action, "driver": driver})
    except ConfigError as error:
        for fault in error.faults:
            assert not fault.problem.startswith("is not valid: ")
