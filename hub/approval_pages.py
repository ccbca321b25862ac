"""The pages behind approval links: a GET shows what is asked for, only a POST decides."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from actions import approving
from actions.approval_links import PATH, ApprovalLinks, Approver, LinkExpired, LinkInvalid
from data import attempts, projects
from data.attempts import Attempt, AttemptDecided, AttemptUnknown
from data.database import Database, DatabaseError
from data.projects import ProjectUnknown
from hub.approval_form import FormRefused, read_form
from hub.approval_html import HEADERS, page
from hub.standard_api import Receive, Scope, Send

logger = logging.getLogger(__name__)

_MOST_TOKEN: Final = 2_000
_RAN_OUT: Final = "The request has run out"
_DECIDED: Final = "This was decided already"


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes


class ApprovalPages:
    """An ASGI application below /approvals/; anything else is not found.

    Programs that look at links beforehand, as mail scanners do, decide nothing: they only GET.
    A token that is not ours is not found, without saying why.
    """

    def __init__(self, database: Database, links: ApprovalLinks) -> None:
        self._database = database
        self._links = links

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        elif scope["type"] == "http":
            answer = await self._answer(scope, receive)
            await _send(send, answer, with_body=scope["method"] != "HEAD")

    async def _answer(self, scope: Scope, receive: Receive) -> _Answer:
        method = scope["method"]
        try:
            approver = self._approver(str(scope["path"]))
            if method not in ("GET", "HEAD", "POST"):
                return _Answer(405, page("Only GET and POST"))
            attempt = await attempts.find(self._database, approver.attempt_id)
            if method == "POST":
                return await self._decide(scope, receive, attempt, approver)
            return await self._show(attempt, approver)
        except (LinkInvalid, AttemptUnknown):
            return _Answer(404, page("Not found"))
        except LinkExpired:
            return _Answer(410, page(_RAN_OUT))
        except DatabaseError as error:
            logger.warning("an approval page could not be served: %s", error)
            return _Answer(503, page("The record does not answer", message="Try again soon."))

    def _approver(self, path: str) -> Approver:
        token = path.removeprefix(PATH)
        if token == path or len(token) > _MOST_TOKEN:
            raise LinkInvalid
        return self._links.read(token)

    async def _show(
        self, attempt: Attempt, approver: Approver, *, status: int = 200, message: str = ""
    ) -> _Answer:
        undo = await self._undo(attempt)
        if attempt.state != "pending":
            title = _RAN_OUT if attempt.state == "expired" else _DECIDED
            return _Answer(status, page(title, message=_how_it_is(attempt), attempt=attempt))
        if attempt.expires_at is not None and attempt.expires_at <= datetime.now(UTC):
            return _Answer(410, page(_RAN_OUT, attempt=attempt, undo=undo))
        title = f"Approve {attempt.action} of {attempt.project}?"
        shown = page(title, message=message, attempt=attempt, undo=undo, who=approver.contact)
        return _Answer(status, shown)

    async def _decide(
        self, scope: Scope, receive: Receive, attempt: Attempt, approver: Approver
    ) -> _Answer:
        try:
            form = await read_form(scope, receive)
        except FormRefused as refused:
            return await self._show(attempt, approver, status=refused.status, message=str(refused))
        by = approver.contact
        try:
            decided = await approving.decide(
                self._database, attempt.id, approve=form.approve, by=by, reason=form.reason
            )
        except AttemptDecided:
            now = await attempts.find(self._database, attempt.id)
            ran_out = now.state in ("pending", "expired")
            return await self._show(now, approver, status=410 if ran_out else 409)
        title = "Approved" if form.approve else "Rejected"
        return _Answer(200, page(title, message=_how_it_is(decided), attempt=decided))

    async def _undo(self, attempt: Attempt) -> str | None:
        """Return the name of the action that takes it back, as the project declares it now."""
        try:
            project = await projects.find(self._database, attempt.project)
        except ProjectUnknown:
            return None
        spec = project.spec.actions.get(attempt.action)
        return spec.undo if spec is not None else None


def _how_it_is(attempt: Attempt) -> str:
    if attempt.decided_at is None:
        return f"It is {attempt.state}."
    verb = "Rejected" if attempt.state == "rejected" else "Approved"
    said = f"{verb} by {attempt.decided_by} at {attempt.decided_at:%Y-%m-%d %H:%M:%S} UTC"
    return said + (f": {attempt.decision_reason}" if attempt.decision_reason else ".")


async def _send(send: Send, answer: _Answer, *, with_body: bool) -> None:
    length = str(len(answer.body)).encode()
    headers = [*HEADERS, (b"content-length", length)]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body if with_body else b""})
