"""config/examples/actions.yaml, each action carried out: the requests and commands it makes.

The platforms are servers on loopback that answer in their APIs' shapes, and programs in a folder
of their own that note their arguments; Prefect is a real server.
"""

import os
import re
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio

from actions.call import Call, Outcome
from actions.carrier import Carrier
from config.action_spec import CommandAction, HttpAction, NotifyAction, Scalar
from config.projects_file import read_projects, read_projects_text
from config.settings import ROOT
from data.notices import NewNotice
from hub.prefect_server import PrefectServer
from tests.actions.targets import ATTEMPT, Received, answer, target
from tests.programs import eventually

EXAMPLE = ROOT / "config" / "examples" / "actions.yaml"
SPECS = {spec.name: spec for spec in read_projects(EXAMPLE)}
SECRETS = {
    "KUBERNETES_TOKEN": "k8s",
    "RENDER_API_KEY": "rnd",
    "RAILWAY_TOKEN": "rlw",
    "RAILWAY_DEPLOYMENT": "d-9",
}
GIVEN: dict[tuple[str, str], dict[str, Scalar]] = {
    ("orders", "scale"): {"instances": 3},
    ("website", "rollback"): {"deploy": "dep-7"},
    ("recommendations", "rollback"): {"deployment": "d-7"},
}
DEPLOYMENTS = "/apis/apps/v1/namespaces/shop/deployments"
DEPLOYMENT_OF_PREFECT = "00000000-0000-4000-8000-000000000001"
NO_CONTENT, KUBERNETES = answer(204), answer(200, {"kind": "Deployment"})

# project, action -> method, target, what of the headers, body, the platform's answer
REQUESTS: dict[tuple[str, str], tuple[str, str, dict[str, str], Any, bytes]] = {
    ("social-media", "restart"): (
        "POST",
        "/v1.44/containers/social-media/restart?t=10",
        {},
        None,
        NO_CONTENT,
    ),
    ("social-media", "pause"): (
        "POST",
        "/v1.44/containers/social-media/pause",
        {},
        None,
        NO_CONTENT,
    ),
    ("social-media", "resume"): (
        "POST",
        "/v1.44/containers/social-media/unpause",
        {},
        None,
        NO_CONTENT,
    ),
    ("orders", "restart"): (
        "PATCH",
        f"{DEPLOYMENTS}/orders",
        {
            "authorization": "Bearer k8s",
            "content-type": "application/strategic-merge-patch+json",
        },
        {
            "spec": {
                "template": {
                    "metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "NOW"}}
                }
            }
        },
        KUBERNETES,
    ),
    ("orders", "scale"): (
        "PATCH",
        f"{DEPLOYMENTS}/orders/scale",
        {"authorization": "Bearer k8s", "content-type": "application/merge-patch+json"},
        {"spec": {"replicas": 3}},
        answer(200, {"kind": "Scale"}),
    ),
    ("website", "restart"): (
        "POST",
        "/v1/services/srv-abc123/restart",
        {"authorization": "Bearer rnd"},
        None,
        answer(200),
    ),
    ("website", "pause"): (
        "POST",
        "/v1/services/srv-abc123/suspend",
        {"authorization": "Bearer rnd"},
        None,
        answer(202),
    ),
    ("website", "resume"): (
        "POST",
        "/v1/services/srv-abc123/resume",
        {"authorization": "Bearer rnd"},
        None,
        answer(202),
    ),
    ("website", "rollback"): (
        "POST",
        "/v1/services/srv-abc123/rollback",
        {"authorization": "Bearer rnd", "content-type": "application/json"},
        {"deployId": "dep-7"},
        answer(201, {"id": "dep-8", "status": "queued", "trigger": "rollback"}),
    ),
    ("recommendations", "restart"): (
        "POST",
        "/graphql/v2",
        {"authorization": "Bearer rlw", "content-type": "application/json"},
        {
            "query": "mutation restart($id: String!) { deploymentRestart(id: $id) }",
            "variables": {"id": "d-9"},
        },
        answer(200, {"data": {"deploymentRestart": True}}),
    ),
    ("recommendations", "rollback"): (
        "POST",
        "/graphql/v2",
        {"authorization": "Bearer rlw", "content-type": "application/json"},
        {
            "query": "mutation rollback($id: String!) { deploymentRollback(id: $id) }",
            "variables": {"id": "d-7"},
        },
        answer(200, {"data": {"deploymentRollback": True}}),
    ),
}
PREFECT = {("prefect", "pause"), ("prefect", "resume")}
REFUSALS = [
    ("social-media", "restart", answer(404, {"message": "No such container: social-media"}), True),
    ("social-media", "pause", answer(409, {"message": "Container x is already paused"}), True),
    ("social-media", "resume", answer(500, {"message": "Container x is not paused"}), False),
    ("orders", "restart", answer(403, {"kind": "Status", "reason": "Forbidden"}), True),
    ("orders", "scale", answer(429, {"kind": "Status"}, retry_after="1"), False),
    ("website", "restart", answer(401, {"message": "Unauthorized"}), True),
    ("website", "restart", answer(429, {"message": "rate limit exceeded"}), False),
    (
        "recommendations",
        "restart",
        answer(200, {"errors": [{"message": "Not Authorized"}], "data": None}),
        False,
    ),
]
COMMANDS = {
    ("email-blast", "restart"): ["systemctl", "restart", "email-blast.service"],
    ("email-blast", "pause"): ["systemctl", "stop", "email-blast.service"],
    ("email-blast", "resume"): ["systemctl", "start", "email-blast.service"],
    ("newsletter", "restart"): ["systemctl", "--user", "restart", "newsletter.service"],
    ("chatbot", "restart"): ["docker", "restart", "-t", "10", "chatbot"],
    ("chatbot", "pause"): ["docker", "pause", "chatbot"],
    ("chatbot", "resume"): ["docker", "unpause", "chatbot"],
    ("orders", "rollback"): [
        "kubectl",
        "--namespace",
        "shop",
        "rollout",
        "undo",
        "deployment/orders",
    ],
}
NOTICES = {("mainframe", "restart")}


def _call(project: str, action: str, base: str | None = None) -> Call:
    """Return a call of the example, all its addresses replaced by one where it is given."""
    spec = SPECS[project]
    if base is not None:
        text = re.sub(r"https?://[^/\s\"]+(?=/)", base, EXAMPLE.read_text(encoding="utf-8"))
        spec = {one.name: one for one in read_projects_text(text, "actions.yaml")}[project]
    return Call(
        attempt_id=ATTEMPT,
        project=project,
        action=action,
        spec=spec.actions[action],
        parameters=GIVEN.get((project, action), {}),
        actor="hub-1",
        reason="it is down",
    )


async def _carried(one: Call) -> Outcome:
    async with Carrier(environ=SECRETS) as carrier:
        return await carrier.carry_out(one)


def _body(request: Received) -> Any:
    if not request.body:
        return None
    at = re.compile(rb'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"')
    return Received(**{**vars(request), "body": at.sub(b'"NOW"', request.body)}).json()


def test_every_action_of_the_example_is_tried_here() -> None:
    kinds = {
        (project, action): type(spec)
        for project, owner in SPECS.items()
        for action, spec in owner.actions.items()
    }
    tried = {
        **dict.fromkeys([*REQUESTS, *PREFECT], HttpAction),
        **dict.fromkeys(COMMANDS, CommandAction),
        **dict.fromkeys(NOTICES, NotifyAction),
    }
    assert kinds == tried


@pytest.mark.parametrize(("project", "action"), REQUESTS)
async def test_a_request_is_the_one_of_the_platforms_api(project: str, action: str) -> None:
    method, path, headers, body, reply = REQUESTS[project, action]
    async with target(reply) as server:
        outcome = await _carried(_call(project, action, server.url))
    request = server.request
    assert outcome.result == "done", outcome
    assert (request.method, request.target, _body(request)) == (method, path, body)
    assert request.headers.items() >= {**headers, "idempotency-key": str(ATTEMPT)}.items()


@pytest.mark.parametrize(("project", "action", "reply", "permanent"), REFUSALS)
async def test_a_refusal_of_the_platform_is_understood(
    project: str, action: str, reply: bytes, permanent: bool
) -> None:
    async with target(reply) as server:
        outcome = await _carried(_call(project, action, server.url))
    assert (outcome.result, outcome.permanent) == ("failed", permanent)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in front of the PATH with programs that note how they were called."""
    for name in ("systemctl", "docker", "kubectl"):
        program = tmp_path / name
        program.write_text(
            f'#!/bin/sh\ncd {tmp_path}\nprintf "%s\\n" "${{0##*/}}" "$@" > argv\nenv > env\n',
            encoding="utf-8",
        )
        program.chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


@pytest.mark.parametrize(("project", "action"), COMMANDS)
async def test_a_command_has_the_arguments_of_the_platforms_program(
    project: str, action: str, programs: Path
) -> None:
    outcome = await _carried(_call(project, action))
    assert outcome.result == "done", outcome
    assert _lines(programs / "argv") == COMMANDS[project, action]


async def test_a_units_user_is_found_by_its_runtime_folder(programs: Path) -> None:
    await _carried(_call("newsletter", "restart"))
    assert "XDG_RUNTIME_DIR=/run/user/1000" in _lines(programs / "env")


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


async def test_where_no_api_is_people_are_asked() -> None:
    kept: list[NewNotice] = []

    async def add(notice: NewNotice) -> None:
        kept.append(notice)

    async with Carrier(add_notice=add) as carrier:
        assert (await carrier.carry_out(_call("mainframe", "restart"))).result == "done"
    assert kept[0].body == (
        f"Please restart mainframe: it is down. Asked for by hub-1, attempt {ATTEMPT}."
    )


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def prefect(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The API of a real Prefect server."""
    home = tmp_path_factory.mktemp("prefect")
    async with PrefectServer(home=home, port=0) as server:
        await server.ready()
        yield server.api_url


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="session")
async def test_a_deployment_of_prefect_is_paused_and_resumed(prefect: str) -> None:
    async with httpx.AsyncClient(base_url=prefect) as client:
        flow = await _made(client, "/flows/", name="nightly")
        deployment = await _made(client, "/deployments/", name="nightly", flow_id=flow)
        paused = []
        for action in ("pause", "resume"):
            outcome = await _carried(_of_prefect(action, prefect, deployment))
            assert outcome.result == "done", outcome
            paused.append((await client.get(f"/deployments/{deployment}")).json()["paused"])
    assert paused == [True, False]


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="session")
async def test_a_deployment_that_prefect_does_not_know_fails_for_good(prefect: str) -> None:
    outcome = await _carried(_of_prefect("pause", prefect, str(UUID(int=0))))
    assert (outcome.result, outcome.permanent, outcome.status) == ("failed", True, 404)


def _of_prefect(action: str, api: str, deployment: str) -> Call:
    text = EXAMPLE.read_text(encoding="utf-8").replace("http://127.0.0.1:4200/api", api)
    text = text.replace(DEPLOYMENT_OF_PREFECT, deployment)
    spec = {one.name: one for one in read_projects_text(text, "actions.yaml")}["prefect"]
    return Call(
        attempt_id=ATTEMPT,
        project="prefect",
        action=action,
        spec=spec.actions[action],
        parameters={},
        actor="hub-1",
        reason="runs fail",
    )


async def _made(client: httpx.AsyncClient, path: str, **body: object) -> str:
    """Ask until it is made: on SQLite a busy server answers 503 now and then."""

    async def ask() -> str | None:
        reply = await client.post(path, json=body)
        return str(reply.json()["id"]) if reply.is_success else None

    return await eventually(ask) or ""
