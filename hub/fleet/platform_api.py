"""The HTTP interface of the platform that hosts the demo fleet."""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence

from hub.fleet.asgi_json import BadRequest, from_loopback, read_object, send_json
from hub.fleet.call_ledger import Call, CallLedger, KeyReused
from hub.fleet.hosted_project import HostedProject, Refused
from hub.fleet.hosting_actions import Effect, effect_of
from hub.standard_api import Receive, Scope, Send

_log = logging.getLogger("hosting")
MOST_MESSAGES = 1_000


class Platform:
    """The platform's HTTP interface.

    GET /projects, GET /projects/{name} and GET /calls tell; POST /projects/{name}/{action}
    changes. An action is answered with 202 as soon as it is accepted and carried out after
    those that came before it; `GET /calls` tells what became of it. With the header
    `Prefer: wait` the answer comes when it is done: 200, or 409 when it could not be done.
    The same `Idempotency-Key` has one effect and gets the same answer, whatever the state.

    /inbox stands for the person who runs it all: what is posted there, GET returns.
    """

    def __init__(self, projects: Sequence[HostedProject]) -> None:
        self._projects = {project.name: project for project in projects}
        self._ledger = CallLedger()
        self._working: dict[str, asyncio.Task[None]] = {}
        self._inbox: deque[dict[str, object]] = deque(maxlen=MOST_MESSAGES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            status, body = await self._answer(scope, receive)
        except BadRequest as error:
            status, body = 400, {"error": str(error)}
        except KeyReused as error:
            status, body = 422, {"error": str(error) or KeyReused.__doc__}
        await send_json(send, status, body)

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, object]:
        if not from_loopback(scope):
            return 403, {"error": "only this machine may ask"}
        place = str(scope["path"]).strip("/").split("/")
        if scope["method"] == "GET":
            return await self._tell(place)
        if scope["method"] != "POST":
            return 405, {"error": "use GET or POST"}
        match place:
            case ["inbox"]:
                self._inbox.append(await read_object(receive))
                return 200, {"kept": len(self._inbox)}
            case ["projects", name, action] if name in self._projects:
                return await self._act(self._projects[name], action, scope, receive)
        return 404, {"error": "not found"}

    async def _tell(self, place: Sequence[str]) -> tuple[int, object]:
        match place:
            case ["projects"]:
                described = [project.describe() for project in self._projects.values()]
                return 200, {"projects": await asyncio.gather(*described)}
            case ["projects", name] if name in self._projects:
                return 200, await self._projects[name].describe()
            case ["calls"]:
                return 200, self._ledger.report()
            case ["inbox"]:
                return 200, {"messages": list(self._inbox)}
        return 404, {"error": "not found"}

    async def _act(
        self, project: HostedProject, action: str, scope: Scope, receive: Receive
    ) -> tuple[int, object]:
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        parameters = await read_object(receive)
        effect = effect_of(action, project, parameters)
        if effect is None:
            return 404, {"error": f"no such action: {action}"}
        key = headers.get(b"idempotency-key")
        call, new = self._ledger.admit(project.name, action, parameters, key)
        if new:
            self._working[call.id] = asyncio.create_task(_carry_out(call, project, effect))
        if "wait" not in headers.get(b"prefer", ""):
            return 202, call.answer()
        await asyncio.shield(self._working[call.id])
        if call.error is not None:
            return 409, {**call.answer(), "error": call.error}
        return 200, {**call.answer(), "finished_at": call.finished_at}


async def _carry_out(call: Call, project: HostedProject, effect: Effect) -> None:
    async with project.lock:
        try:
            await effect()
        except Refused as error:
            call.finish(str(error))
        except Exception as error:
            _log.exception("%s of %s failed", call.action, call.project)
            call.finish(f"{type(error).__name__}: {error}")
        else:
            call.finish()
