"""`opslore stop-acting` and `opslore resume-acting`: the brake of all hubs together."""

from dataclasses import dataclass

from config.settings import Settings
from data import brake
from data.brake import Brake
from data.database import Database
from hub.commands.outcome import AsJson, print_json, print_line, run
from hub.commands.people import By, MaybeReason, Reason
from hub.record_access import open_record


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """How the brake stands now, and whether this call changed it."""

    changed: bool
    brake: Brake


def stop_acting(reason: Reason, by: By, *, as_json: AsJson = False) -> None:
    """Pull the brake: from now on no hub begins an action; what has begun goes to its end."""
    pulled = run(_set(stopped=True, by=by, reason=reason))
    if pulled.changed:
        told = "no hub begins an action any more; `opslore resume-acting` lets them again"
    else:
        told = f"{stopped_in_words(pulled.brake)}; nothing changed"
    _tell(pulled, told, as_json=as_json)


def resume_acting(by: By, reason: MaybeReason = None, *, as_json: AsJson = False) -> None:
    """Release the brake: hubs begin actions again, and look at every open incident."""
    pulled = run(_set(stopped=False, by=by, reason=reason or ""))
    told = (
        "hubs begin actions again; every open incident is looked at now"
        if pulled.changed
        else "the brake was not pulled; nothing changed"
    )
    _tell(pulled, told, as_json=as_json)


def stopped_in_words(held: Brake) -> str:
    """Return by whom the brake was pulled, when and why."""
    at = f"{held.at.astimezone():%Y-%m-%d %H:%M:%S}"
    return f"no hub begins actions: {held.by} pulled the brake at {at}: {held.reason}"


async def warn_if_stopped(database: Database) -> None:
    """Say above a list that nothing of it will go on while the brake is pulled."""
    async with database.connection() as connection:
        held = await brake.read(connection)
    if held.stopped:
        print_line(stopped_in_words(held), "yellow")


async def _set(*, stopped: bool, by: str, reason: str) -> Pulled:
    async with open_record(Settings()) as database:
        changed = await brake.set_stopped(database, stopped=stopped, by=by, reason=reason)
        async with database.connection() as connection:
            return Pulled(changed=changed, brake=await brake.read(connection))


def _tell(pulled: Pulled, told: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"changed": pulled.changed, **_fields(pulled.brake)})
    else:
        print_line(told)


def _fields(held: Brake) -> dict[str, object]:
    return {"stopped": held.stopped, "by": held.by, "reason": held.reason, "at": held.at}
