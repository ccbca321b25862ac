"""The command that a command action makes of a call."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from actions.call import Call
from actions.filling import CannotFill, Filling
from config.action_spec import CommandAction

INHERITED: Final = ("PATH", "HOME", "LANG", "TZ")


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedCommand:
    """A command with everything filled in, secrets too: it is never shown."""

    argv: tuple[str, ...]
    cwd: str | None
    environment: Mapping[str, str]


def prepare(
    call: Call, spec: CommandAction, filling: Filling, environ: Mapping[str, str] | None = None
) -> PreparedCommand:
    """Return the command of a call; of the hub's environment it gets only what it needs.

    Raises:
        CannotFill, SecretMissing, SecretUnreadable: something cannot be filled in.
    """
    inherited = os.environ if environ is None else environ
    environment = {name: inherited[name] for name in INHERITED if name in inherited}
    for name, template in spec.environment.items():
        environment[name] = filling.text(template)
        if "\0" in environment[name]:
            raise CannotFill(f"the variable {name} must not hold a NUL character")
    environment |= {
        "OPSLORE_IDEMPOTENCY_KEY": str(call.attempt_id),
        "OPSLORE_PROJECT": call.project,
        "OPSLORE_ACTION": call.action,
    }
    arguments = (filling.argument(template) for template in spec.argv)
    argv = tuple(argument for argument in arguments if argument is not None)
    return PreparedCommand(argv=argv, cwd=spec.cwd, environment=environment)
