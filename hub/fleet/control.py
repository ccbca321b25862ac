"""The way into a demo process for the platform that hosts it, and for faults."""

import asyncio
from collections.abc import Callable
from typing import get_args

from hub.fleet.asgi_json import BadRequest, from_loopback, read_object, send_json
from hub.fleet.members import TANGLED, FaultKind
from hub.fleet.project import DemoProject
from hub.standard_api import Receive, Scope, Send


class Front:
    """Stands before a project's application: answers `/control…`, holds back all else when slow.

    GET /control tells the state; POST /control/fault {"kind", "seconds"?}, /control/clear
    {"kind"?}, /control/clear_cache, /control/pause and /control/resume change it. Only this
    machine may ask. The answer is the state that follows; a crash answers nothing.
    """

    def __init__(self, project: DemoProject) -> None:
        self._project = project
        self._commands: dict[str, Callable[[], None]] = {
            "/control/clear_cache": project.clear_cache,
            "/control/pause": project.pause,
            "/control/resume": project.resume,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path == "/control" or path.startswith("/control/"):
            await self._control(scope, receive, send)
            return
        delay_s = self._project.vitals.delay_s()
        if delay_s:
            await asyncio.sleep(delay_s)
        await self._project.api(scope, receive, send)

    async def _control(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        if not from_loopback(scope):
            await send_json(send, 403, {"error": "only this machine may control the project"})
        elif path == "/control" and method == "GET":
            await send_json(send, 200, self._state())
        elif path not in (*self._commands, "/control/fault", "/control/clear"):
            await send_json(send, 404, {"error": "no such control"})
        elif method != "POST":
            await send_json(send, 405, {"error": "use POST"})
        else:
            try:
                await self._obey(path, receive)
            except BadRequest as error:
                await send_json(send, 400, {"error": str(error)})
            else:
                await send_json(send, 200, self._state())

    async def _obey(self, path: str, receive: Receive) -> None:
        given = await read_object(receive)
        if path == "/control/fault":
            self._project.inject(*wanted_fault(given, self._project.name))
        elif path == "/control/clear":
            name = self._project.name
            self._project.clear(*([_kind(given, name)] if "kind" in given else []))
        else:
            self._commands[path]()

    def _state(self) -> dict[str, object]:
        project = self._project
        return {
            "project": project.name,
            "version": project.options.version,
            "state": project.api.state,
            "faults": list(project.faults.active()),
            "config_revision": project.config_revision,
        }


def wanted_fault(given: dict[str, object], project: str) -> tuple[FaultKind, float | None]:
    """Return the kind of a request for a fault, and for how many seconds (None: until cleared).

    Raises:
        BadRequest: there is no such kind, it belongs to another project, or the time is none.
    """
    seconds = given.get("seconds")
    if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, int | float)):
        raise BadRequest(f"seconds must be a number, got {seconds!r}")
    if seconds is not None and seconds <= 0:
        raise BadRequest(f"seconds must be above 0, got {seconds!r}")
    return _kind(given, project), seconds


def _kind(given: dict[str, object], project: str) -> FaultKind:
    kinds: tuple[FaultKind, ...] = get_args(FaultKind)
    for kind in kinds:
        if given.get("kind") == kind:
            if kind == "tangled" and project != TANGLED:
                raise BadRequest(f"only {TANGLED} has the tangled case")
            return kind
    raise BadRequest(f"kind must be one of {', '.join(kinds)}, got {given.get('kind')!r}")
