"""What all drivers have in common: descriptions, notices, and outcomes that give nothing away."""

from typing import Any

import pytest

from actions.call import Call
from actions.carrier import Carrier
from actions.describing import describe
from data.notices import NewNotice
from tests.actions.targets import ATTEMPT, call


def _http(url: str = "https://platform/{project}/restart", **spec: Any) -> Call:
    return call(driver="http", url=url, **spec)


class TestDescriptions:
    @pytest.mark.parametrize(
        ("one", "described"),
        [
            (_http(), "POST https://platform/chatbot/restart"),
            (
                _http("${PLATFORM}/a?t=10&api_key=hunter2&x={project}", headers={"X-A": "hunter2"}),
                "POST ${PLATFORM}/a?t=10&api_key=***&x=chatbot with header X-A",
            ),
            (
                _http(
                    "https://a/${PATH_KEY:-hunter2}",
                    headers={"Authorization": "Bearer hunter2", "X-B": "${B}"},
                    body={"id": "{project}", "token": "hunter2", "b": ["${B}", 1], "c": "5$$"},
                ),
                "POST https://a/${PATH_KEY} with headers Authorization, X-B"
                ' and body {"id": "chatbot", "token": "***", "b": ["${B}", 1], "c": "5$"}',
            ),
            (
                _http(form={"password": "hunter2", "a": "b"}),
                'POST https://platform/chatbot/restart and form {"password": "***", "a": "b"}',
            ),
            (
                call(driver="command", argv=["kubectl", "delete", "pod", "a b", "{project}"]),
                "kubectl delete pod 'a b' chatbot",
            ),
            (
                call(
                    driver="command",
                    argv=["x", "--token=hunter2", "--password", "hunter2", "--key-file", "k"],
                    cwd="/srv",
                    environment={"TOKEN": "${TOKEN}"},
                ),
                "x '--token=***' --password '***' --key-file k in /srv with TOKEN set",
            ),
            (
                call(driver="notify", contact="ops", message="{project}: {reason}"),
                "a warning notice to ops: chatbot: memory_percent is above 85",
            ),
            (
                call("deploy", {"version": "1/2"}, driver="http", url="http://a/{version}"),
                "POST http://a/1%2F2",
            ),
            (
                call("deploy", driver="http", url="http://a/{version}"),
                "nothing: deploy: version is missing",
            ),
        ],
    )
    def test_a_call_is_described_without_secrets(self, one: Call, described: str) -> None:
        assert describe(one) == described
        assert "hunter2" not in described

    def test_a_description_needs_no_secret_to_be_set(self) -> None:
        assert Carrier(environ={}).describe(_http("${NOT_SET}/a")) == "POST ${NOT_SET}/a"

    def test_a_long_one_is_cut(self) -> None:
        assert len(describe(_http(body={"a": "x" * 9_000}))) == 400

    def test_it_is_one_line(self) -> None:
        one = call("deploy", {"version": "a\nb"}, driver="command", argv=["x", "{version}"])
        assert describe(one) == "x 'a b'"


class TestNotices:
    async def test_a_notice_is_given_to_whoever_keeps_them(self) -> None:
        kept: list[NewNotice] = []

        async def add(notice: NewNotice) -> None:
            kept.append(notice)

        one = call(
            "page",
            {"room": "b1"},
            driver="notify",
            contact="ops",
            message="{project} in {room}: {reason}",
            parameters={"room": {"type": "text"}},
            severity="critical",
        )
        async with Carrier(add_notice=add) as carrier:
            outcome = await carrier.carry_out(one)
        assert (outcome.result, outcome.detail) == ("done", "a notice to ops is on its way")
        (notice,) = kept
        assert (notice.contact, notice.purpose, notice.severity) == ("ops", "action", "critical")
        assert (notice.subject, notice.body) == (
            "chatbot: page",
            "chatbot in b1: memory_percent is above 85",
        )
        assert (notice.attempt_id, notice.project) == (ATTEMPT, "chatbot")

    async def test_without_anybody_to_keep_it_a_notice_fails(self) -> None:
        async with Carrier() as carrier:
            outcome = await carrier.carry_out(call(driver="notify", contact="ops", message="m"))
        assert (outcome.result, outcome.permanent) == ("failed", True)

    async def test_a_notice_that_broke_off_may_have_been_kept(self) -> None:
        async def add(_: NewNotice) -> None:
            raise RuntimeError("hunter2")

        async with Carrier(add_notice=add) as carrier:
            outcome = await carrier.carry_out(call(driver="notify", contact="ops", message="m"))
        assert (outcome.result, outcome.detail) == ("unknown", "it broke off with RuntimeError")


async def test_parameters_that_do_not_fit_fail_before_anything_happens() -> None:
    async with Carrier() as carrier:
        outcome = await carrier.carry_out(call("deploy", driver="command", argv=["x", "{version}"]))
    assert (outcome.result, outcome.permanent) == ("failed", True)
    assert outcome.detail == "deploy: version is missing"


async def test_a_secret_in_a_file_that_cannot_be_read_is_named() -> None:
    one = call(driver="command", argv=["x"], environment={"A": "${KEY}"})
    async with Carrier(environ={"KEY_FILE": "/nowhere/key"}) as carrier:
        outcome = await carrier.carry_out(one)
    assert outcome.detail == "KEY_FILE: No such file or directory"
    assert (outcome.result, outcome.permanent) == ("failed", True)
