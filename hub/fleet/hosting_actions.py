"""What the platform does on request, and what each request must carry."""

from collections.abc import Awaitable, Callable, Mapping

from hub.fleet.asgi_json import BadRequest
from hub.fleet.control import wanted_fault
from hub.fleet.hosted_project import HostedProject

Parameters = Mapping[str, object]
Effect = Callable[[], Awaitable[None]]
INSTANCES_LIMIT = 100


def effect_of(action: str, project: HostedProject, parameters: Parameters) -> Effect | None:
    """Return what carries the action out on the project, None for an unknown action.

    Raises:
        BadRequest: the parameters are not what the action takes.
    """
    plain: dict[str, Effect] = {
        "restart": project.restart,
        "pause": project.pause,
        "resume": project.resume,
        "clear_cache": project.clear_cache,
        "rollback": project.rollback,
        "revert_config": project.revert_config,
        "clear": project.clear,
    }
    if action in plain:
        _only(parameters, set())
        return plain[action]
    demanding = {"deploy": _deploy, "scale": _scale, "fault": _fault}
    return demanding[action](project, parameters) if action in demanding else None


def _deploy(project: HostedProject, parameters: Parameters) -> Effect:
    _only(parameters, {"version", "bad"})
    version, bad = parameters.get("version"), parameters.get("bad", False)
    if not isinstance(version, str) or not version:
        raise BadRequest(f"version must be a text, got {version!r}")
    if not isinstance(bad, bool):
        raise BadRequest(f"bad must be true or false, got {bad!r}")
    return lambda: project.deploy(version, bad=bad)


def _scale(project: HostedProject, parameters: Parameters) -> Effect:
    _only(parameters, {"instances"})
    wanted = parameters.get("instances")
    if (
        isinstance(wanted, bool)
        or not isinstance(wanted, int)
        or not 1 <= wanted <= INSTANCES_LIMIT
    ):
        raise BadRequest(f"instances must be 1 to {INSTANCES_LIMIT}, got {wanted!r}")
    return lambda: project.scale(wanted)


def _fault(project: HostedProject, parameters: Parameters) -> Effect:
    _only(parameters, {"kind", "seconds"})
    kind, seconds = wanted_fault(dict(parameters), project.name)
    if kind == "tangled" and seconds is not None:
        raise BadRequest("tangled does not end by itself: revert_config, rollback or clear ends it")
    return lambda: project.fault(kind, seconds)


def _only(parameters: Parameters, allowed: set[str]) -> None:
    unknown = sorted(parameters.keys() - allowed)
    if unknown:
        raise BadRequest(
            f"unknown: {', '.join(unknown)} (allowed: {', '.join(allowed) or 'nothing'})"
        )
