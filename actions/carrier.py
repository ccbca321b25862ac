"""Carry out calls: each by the driver of its action, each with an outcome."""

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Self, assert_never

from actions import describing
from actions.call import MOST_DETAIL, Call, Outcome
from actions.drivers import command_driver, notify_driver
from actions.drivers.http_driver import HttpDriver
from actions.drivers.notify_driver import AddNotice
from actions.filling import CannotFill, Filling
from actions.notification.plain_text import one_line
from actions.parameters import ParameterError
from actions.secret_filling import Secrets, SecretUnreadable
from config.action_spec import CommandAction, HttpAction, NotifyAction
from config.secret_values import SecretMissing

logger = logging.getLogger(__name__)


class Carrier:
    """Carries out calls, any number at a time. `environ` is where secrets are looked up.

    It repeats nothing by itself: whether a call is made again is decided by whoever makes it.
    """

    def __init__(
        self, *, add_notice: AddNotice | None = None, environ: Mapping[str, str] | None = None
    ) -> None:
        self._add_notice = add_notice
        self._environ = environ
        self._http = HttpDriver()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close what requests share."""
        await self._http.close()

    def describe(self, call: Call) -> str:
        """Return what the call would do, in one line of at most 400 characters."""
        return describing.describe(call)

    async def carry_out(self, call: Call) -> Outcome:
        """Carry out a call and return what became of it; nothing is raised for what a target does.

        What cannot be filled in failed for good, before anything was sent or started.
        """
        began_at = time.monotonic()
        secrets = Secrets(self._environ)
        try:
            outcome = await self._drive(call, Filling(call, secrets))
        except (ParameterError, CannotFill, SecretMissing, SecretUnreadable) as error:
            outcome = Outcome(result="failed", detail=str(error), permanent=True)
        except Exception as error:
            # Whatever it was, it may have come after the effect: whoever asked must not repeat it.
            logger.exception("%s of %s broke off", call.action, call.project)
            problem = f"it broke off with {type(error).__name__}"
            outcome = Outcome(result="unknown", detail=problem)
        detail = one_line(secrets.mask(outcome.detail), MOST_DETAIL)
        return replace(outcome, detail=detail, seconds=time.monotonic() - began_at)

    async def _drive(self, call: Call, filling: Filling) -> Outcome:
        match call.spec:
            case HttpAction() as spec:
                return await self._http.carry_out(call, spec, filling)
            case CommandAction() as spec:
                return await command_driver.carry_out(call, spec, filling)
            case NotifyAction() as spec:
                return await notify_driver.carry_out(call, spec, filling, self._add_notice)
            case _:
                assert_never(call.spec)
