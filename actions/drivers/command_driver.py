"""Carry out command actions: one program, no shell."""

import asyncio
import errno
import signal
from asyncio.subprocess import Process
from pathlib import Path, PurePosixPath
from typing import Final

from actions.call import Call, Outcome
from actions.drivers.command_request import PreparedCommand, prepare
from actions.drivers.process_group import OutputTail, end, start
from actions.filling import Filling
from actions.notification.plain_text import one_line
from config.action_spec import CommandAction
from config.durations import format_duration

NOT_RUNNABLE: Final = frozenset({126, 127})
"""Exit codes by which shells and env say that there is no such program."""
_PASSING: Final = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE})
_MOST_EXCERPT: Final = 250


async def carry_out(call: Call, spec: CommandAction, filling: Filling) -> Outcome:
    """Run the command of a call.

    A command that could not be started failed. One that was cut off, by its time-out or by a
    signal, is unknown. When this is cancelled the command and all it started are ended first.

    Raises:
        CannotFill, SecretMissing, SecretUnreadable: it cannot be filled in;
            nothing was started.
    """
    command = prepare(call, spec, filling)
    tail = OutputTail(spec.max_output_bytes)
    try:
        async with start(command, tail) as process:
            in_time = await _wait(process, spec)
    except (OSError, ValueError) as error:
        return _not_started(error, command)
    text = filling.secrets.mask(tail.text(blur=filling.secrets.longest))
    return _outcome(spec, command, process.returncode, in_time=in_time, output=text)


async def _wait(process: Process, spec: CommandAction) -> bool:
    """Wait for the end and return whether it came in time; a late command is ended."""
    try:
        async with asyncio.timeout(spec.timeout.total_seconds()):
            await process.wait()
    except TimeoutError:
        await end(process)
        return False
    except asyncio.CancelledError:
        await end(process)
        raise
    return True


def _outcome(
    spec: CommandAction, command: PreparedCommand, code: int | None, *, in_time: bool, output: str
) -> Outcome:
    program = PurePosixPath(command.argv[0]).name
    said = one_line(output.strip()[-_MOST_EXCERPT:], _MOST_EXCERPT)
    after = f": {said}" if said else ""
    if not in_time:
        problem = f"{program} did not end within {format_duration(spec.timeout)}{after}"
        return Outcome(result="unknown", detail=problem, status=code)
    if code is None or code < 0:
        problem = f"{program} was ended by {_name_of(code)}{after}"
        return Outcome(result="unknown", detail=problem, status=code)
    detail = f"{program} ended with exit code {code}{after}"
    if code in spec.success_exit_codes:
        return Outcome(result="done", detail=detail, status=code)
    return Outcome(result="failed", detail=detail, status=code, permanent=code in NOT_RUNNABLE)


def _not_started(error: OSError | ValueError, command: PreparedCommand) -> Outcome:
    """Tell what kept it from starting; most of it does not pass by itself."""
    number = error.errno if isinstance(error, OSError) else None
    reason = error.strerror if isinstance(error, OSError) else "an argument cannot be passed on"
    about = PurePosixPath(command.argv[0]).name
    if command.cwd is not None and not Path(command.cwd).is_dir():
        about = f"cwd {command.cwd}"
    detail = f"{about} could not be started: {reason}"
    return Outcome(result="failed", detail=detail, permanent=number not in _PASSING)


def _name_of(code: int | None) -> str:
    try:
        return signal.Signals(-(code or 0)).name
    except ValueError:
        return f"signal {-(code or 0)}"
