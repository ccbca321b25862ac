"""The pages behind approval links, asked over HTTP: a look decides nothing, one person decides."""

import asyncio
import base64
import hashlib
import re
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Literal
from uuid import uuid4

import httpx
import pytest
import uvicorn

from actions.approval_links import ApprovalLinks
from config.hub_file import HubSettings, ListenSettings
from config.projects_file import validate_project
from config.settings import Settings
from data import attempts, events, incidents, projects
from data.attempts import Attempt, NewAttempt
from data.database import Database
from hub.approval_access import ApprovalKeyUnusable, approval_links, base_url
from hub.approval_pages import ApprovalPages
from hub.self_report import SelfReport
from hub.standard_api import StandardAPI

HOSTILE = "<script>alert(1)</script>\"'><b>&amp;"
FORM = "application/x-www-form-urlencoded"
Decision = Literal["approve", "reject"]


@dataclass(kw_only=True)
class Site:
    """The pages on a loopback server, and what waits behind them."""

    database: Database
    links: ApprovalLinks
    http: httpx.AsyncClient

    async def ask(self, **fields: Any) -> Attempt:
        given: dict[str, Any] = {
            "id": uuid4(),
            "incident_id": None,
            "project": "a",
            "action": "pause",
            "risk": "reversible",
            "purpose": "heal",
            "state": "pending",
            "requested_by": "h",
            "reason": "memory is high",
            "rule": "memory-first",
            "expires_after": timedelta(minutes=30),
        }
        async with self.database.transaction() as connection:
            made = await attempts.request(connection, NewAttempt(**{**given, **fields}))
        assert made is not None
        return made

    def path(self, attempt: Attempt, contact: str = "oncall") -> str:
        link = self.links.link_for(attempt.id, contact, attempt.expires_at)
        assert link is not None
        return link

    async def decide(
        self, attempt: Attempt, decision: Decision, reason: str = "", contact: str = "oncall"
    ) -> httpx.Response:
        form = {"decision": decision, "reason": reason}
        return await self.http.post(self.path(attempt, contact), data=form)

    async def now(self, attempt: Attempt) -> Attempt:
        return await attempts.find(self.database, attempt.id)


@pytest.fixture
async def site(database: Database) -> AsyncIterator[Site]:
    spec = {"driver": "command", "argv": ["true"]}
    declared = {
        "name": "a",
        "url": "http://127.0.0.1:1",
        "actions": {"pause": spec, "resume": spec},
    }
    await projects.add(database, validate_project(declared))
    listening = socket.create_server(("127.0.0.1", 0))
    base = f"http://127.0.0.1:{listening.getsockname()[1]}"
    links = ApprovalLinks(b"k" * 32, base)
    app = StandardAPI(ApprovalPages(database, links), name="hub", logger=None)
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    async with httpx.AsyncClient(base_url=base, timeout=20) as client:
        yield Site(database=database, links=links, http=client)
    server.should_exit = True
    await serving


async def test_the_page_says_what_is_asked_for(site: Site) -> None:
    attempt = await site.ask(parameters={"for": "10m"})
    answer = await site.http.get(site.path(attempt))
    assert answer.status_code == 200
    for word in ("pause a", "memory is high", "memory-first", "reversible", "resume", "10m"):
        assert f"<dd>{word}</dd>" in answer.text
    assert f"{attempt.expires_at:%H:%M:%S} UTC" in answer.text
    assert "You decide as <strong>oncall</strong>" in answer.text
    assert answer.text.count("<form") == 2


async def test_the_page_is_kept_from_caches_scripts_frames_and_referrers(site: Site) -> None:
    answer = await site.http.get(site.path(await site.ask()))
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in policy
    (style,) = re.findall("<style>(.*?)</style>", answer.text, re.S)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert "<script" not in answer.text


async def test_what_comes_from_outside_is_text(site: Site) -> None:
    attempt = await site.ask(reason=HOSTILE, rule=HOSTILE, parameters={HOSTILE: HOSTILE})
    shown = (await site.http.get(site.path(attempt, contact=HOSTILE))).text
    assert "<script" not in shown
    assert "<b>" not in shown
    decided = await site.decide(attempt, "reject", reason=HOSTILE, contact=HOSTILE)
    assert "<b>" not in decided.text


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_only_a_post_decides(site: Site, method: str) -> None:
    attempt = await site.ask()
    link = site.path(attempt) + "?decision=approve&reason=x"
    answer = await site.http.request(method, link)
    assert answer.status_code == (200 if method in ("GET", "HEAD") else 405)
    assert (await site.now(attempt)).state == "pending"


@pytest.mark.parametrize(
    ("decision", "reason", "state"),
    [("approve", "", "approved"), ("approve", "go", "approved"), ("reject", "no", "rejected")],
)
async def test_a_post_decides_in_the_name_of_the_contact(
    site: Site, decision: Decision, reason: str, state: str
) -> None:
    attempt = await site.ask()
    answer = await site.decide(attempt, decision, reason)
    assert answer.status_code == 200
    assert f"{state.capitalize()} by oncall at " in answer.text
    assert "<form" not in answer.text
    decided = await site.now(attempt)
    assert (decided.state, decided.decided_by, decided.decision_reason) == (state, "oncall", reason)
    (event,) = await events.latest(site.database, kind="ApprovalDecided")
    assert event.details["by"] == "oncall"


async def test_who_comes_second_is_told_who_was_first(site: Site) -> None:
    attempt = await site.ask()
    await site.decide(attempt, "approve", contact="anna")
    second = await site.decide(attempt, "reject", "no", contact="berta")
    assert second.status_code == 409
    assert "This was decided already" in second.text
    assert "Approved by anna at " in second.text
    looked = await site.http.get(site.path(attempt))
    assert (looked.status_code, "Approved by anna" in looked.text) == (200, True)


async def test_of_twenty_who_decide_at_once_one_does(site: Site) -> None:
    attempt = await site.ask()
    answers = await asyncio.gather(
        *(
            site.decide(attempt, "approve" if n % 2 else "reject", "now", contact=f"p{n}")
            for n in range(20)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 19
    winner = next(n for n, answer in enumerate(answers) if answer.status_code == 200)
    decided = await site.now(attempt)
    assert decided.decided_by == f"p{winner}"
    assert all(f"by p{winner} at" in answer.text for answer in answers)
    assert len(await events.latest(site.database, kind="ApprovalDecided")) == 1


async def test_a_request_that_ran_out_cannot_be_approved(site: Site) -> None:
    attempt = await site.ask(expires_after=timedelta(seconds=0.2))
    token = site.links.token_for(attempt.id, "oncall", None)  # a link that is good for longer
    await asyncio.sleep(0.3)
    form = {"decision": "approve"}
    late = await site.http.post(f"/approvals/{token}", data=form)
    assert (late.status_code, "has run out" in late.text) == (410, True)
    assert (await site.http.get(f"/approvals/{token}")).status_code == 410
    assert (await site.decide(attempt, "approve")).status_code == 410
    assert (await site.now(attempt)).state == "pending"


async def test_what_is_forged_is_not_found_and_told_nothing(site: Site) -> None:
    attempt = await site.ask()
    forged = ApprovalLinks(b"f" * 32, None).token_for(attempt.id, "oncall", None)
    gone = site.links.token_for(uuid4(), "oncall", None)
    paths = [forged, gone, "", "x", forged + "/..", "%00", "a" * 5_000, "../health/x"]
    for path in paths:
        for answer in (
            await site.http.get(f"/approvals/{path}"),
            await site.http.post(f"/approvals/{path}", data={"decision": "approve"}),
        ):
            assert answer.status_code == 404
            assert "pause" not in answer.text
    assert (await site.now(attempt)).state == "pending"


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"decision=approve", "application/json", 415),
        (b"decision=approve", "text/plain", 415),
        (b"decision=approve&reason=" + b"x" * 9_000, FORM, 413),
        (b"decision=approve&reason=" + b"x" * 501, FORM, 400),
        (b"decision=reject", FORM, 400),
        (b"decision=reject&reason=+%20", FORM, 400),
        (b"decision=maybe&reason=x", FORM, 400),
        (b"decision=approve&decision=reject&reason=x", FORM, 400),
        (b"reason=%ff&decision=approve", FORM, 400),
        (b"\xff", FORM, 400),
        (b"", FORM, 400),
        (b"&".join(b"a=%d" % n for n in range(50)), FORM, 400),
    ],
)
async def test_a_form_that_is_not_one_decides_nothing(
    site: Site, content: bytes, content_type: str, status: int
) -> None:
    attempt = await site.ask()
    answer = await site.http.post(
        site.path(attempt), content=content, headers={"content-type": content_type}
    )
    assert answer.status_code == status
    assert 'class="said"' in answer.text
    assert (await site.now(attempt)).state == "pending"


async def test_a_form_that_never_ends_is_not_waited_for(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.approval_form.WITHIN_S", 0.2)
    attempt = await site.ask()

    async def drips() -> AsyncIterator[bytes]:
        yield b"decision="
        await asyncio.sleep(1)

    answer = await site.http.post(
        site.path(attempt), content=drips(), headers={"content-type": FORM}
    )
    assert answer.status_code == 408


async def test_a_decision_has_the_incident_looked_at_at_once(site: Site) -> None:
    problem = incidents.Problem(
        project="b", kind="down", severity="critical", title="b is down", at=datetime.now(UTC)
    )
    async with site.database.transaction() as connection:
        (opened,) = await incidents.open_or_update(connection, [problem])
        await connection.execute("UPDATE incidents SET next_step_at = NULL")
    attempt = await site.ask(incident_id=opened.id)
    await site.decide(attempt, "approve")
    due_in_s = await incidents.next_due_in_s(site.database)
    assert due_in_s is not None
    assert due_in_s <= 0


async def test_the_hub_answers_its_own_paths_beside_the_pages(site: Site) -> None:
    assert (await site.http.get("/health")).json()["status"] == "healthy"
    assert (await site.http.get("/nothing")).status_code == 404


async def test_a_hub_serves_them_where_it_reports(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    starting: Any = SimpleNamespace(latest=None)
    pages = ApprovalPages(site.database, site.links)
    token = site.links.token_for((await site.ask()).id, "oncall", None)
    async with SelfReport(ListenSettings(port=port), "h", starting, pages):
        answer = await site.http.get(f"http://127.0.0.1:{port}/approvals/{token}")
        health = await site.http.get(f"http://127.0.0.1:{port}/health")
    assert (answer.status_code, health.status_code) == (200, 200)
    assert "Approve pause of a?" in answer.text


def test_hubs_of_one_home_know_each_others_links(tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("OPSLORE_APPROVAL_KEY", "")
    settings = Settings(OPSLORE_HOME=tmp_path)
    attempt_id = uuid4()
    token = approval_links(settings, HubSettings()).token_for(attempt_id, "oncall", None)
    assert approval_links(settings, HubSettings()).read(token).attempt_id == attempt_id


def test_hubs_on_several_machines_share_a_key(tmp_path: Any, monkeypatch: Any) -> None:
    attempt_id = uuid4()
    monkeypatch.setenv("OPSLORE_APPROVAL_KEY", "s" * 32)
    here = approval_links(Settings(OPSLORE_HOME=tmp_path / "here"), HubSettings())
    token = here.token_for(attempt_id, "oncall", None)
    (tmp_path / "key").write_text("s" * 32 + "\n")
    monkeypatch.setenv("OPSLORE_APPROVAL_KEY", "")
    monkeypatch.setenv("OPSLORE_APPROVAL_KEY_FILE", str(tmp_path / "key"))
    there = approval_links(Settings(OPSLORE_HOME=tmp_path / "there"), HubSettings())
    assert there.read(token).attempt_id == attempt_id


@pytest.mark.parametrize("text", ["", "short"])
def test_a_key_that_can_be_guessed_is_refused(tmp_path: Any, text: str) -> None:
    (tmp_path / "approval.key").write_text(text)
    with pytest.raises(ApprovalKeyUnusable, match=r"approval\.key must be at least 32 bytes"):
        approval_links(Settings(OPSLORE_HOME=tmp_path), HubSettings())


def test_a_key_that_cannot_be_read_is_refused(tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("OPSLORE_APPROVAL_KEY_FILE", str(tmp_path / "none"))
    with pytest.raises(ApprovalKeyUnusable, match="none: No such file"):
        approval_links(Settings(OPSLORE_HOME=tmp_path), HubSettings())


@pytest.mark.parametrize(
    ("host", "port", "url"),
    [
        ("127.0.0.1", 8790, "http://127.0.0.1:8790"),
        ("::1", 8790, "http://[::1]:8790"),
        ("0.0.0.0", 80, f"http://{socket.gethostname()}:80"),
        ("127.0.0.1", 0, None),
    ],
)
def test_links_lead_to_where_the_hub_listens(host: str, port: int, url: str | None) -> None:
    assert base_url(HubSettings(listen=ListenSettings(host=host, port=port))) == url
