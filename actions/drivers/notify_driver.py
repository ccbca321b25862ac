"""Carry out notify actions: a notice to a contact, which the hubs then deliver."""

from collections.abc import Awaitable, Callable
from typing import Final

from actions.call import Call, Outcome
from actions.filling import CannotFill, Filling
from config.action_spec import NotifyAction
from data.notices import NewNotice

AddNotice = Callable[[NewNotice], Awaitable[object]]
"""Keeps a notice so that it will be delivered."""

_MOST_BODY: Final = 4_000


async def carry_out(
    call: Call, spec: NotifyAction, filling: Filling, add_notice: AddNotice | None
) -> Outcome:
    """Add the notice of a call. Done says that it is kept; whether it arrives, its own history.

    Raises:
        CannotFill, SecretMissing, SecretUnreadable: something cannot be filled in.
        Exception: what `add_notice` raises.
    """
    if add_notice is None:
        raise CannotFill("nobody can be told from here")
    await add_notice(notice_of(call, spec, filling))
    return Outcome(result="done", detail=f"a notice to {spec.contact} is on its way")


def notice_of(call: Call, spec: NotifyAction, filling: Filling) -> NewNotice:
    """Return the notice of a call."""
    message = filling.text(spec.message)[:_MOST_BODY]
    return NewNotice(
        contact=spec.contact,
        purpose="action",
        severity=spec.severity,
        subject=f"{call.project}: {spec.description or call.action}",
        body=message,
        attempt_id=call.attempt_id,
        project=call.project,
    )
