"""One network of the durable_rules engine: messages go in, the rules that fired come out.

The engine's own host is not used: it starts two threads per ruleset that never end, and keeps
what an action raised. What is asserted for one decision is retracted at its end, so a ruleset has
no memory; one that failed in the middle of a decision is made anew.
"""

import itertools
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple, TypeVar

from durable.engine import durable_rules_engine as rete

from config.errors import OpsloreError
from rules.durable_json import SID, message_head, to_json

_PROBE: Final = "probe"
_HANDLED: Final = 0
_NOT_HANDLED: Final = 1
_numbers: Final = itertools.count(1)

T = TypeVar("T")


class Fired(NamedTuple):
    """A rule that fired, and as JSON what it fired for."""

    rule: str
    text: str

    def id_of(self, alias: str) -> str:
        """Return the id of the message that the rule knows by an alias."""
        identifier: str = json.loads(self.text)[self.rule][alias]["id"]
        return identifier


class EngineError(OpsloreError):
    """The rule engine failed."""


class Network:
    """A ruleset in the engine's memory until `free` is called. Not for two threads at once."""

    def __init__(self, rules: Mapping[str, Any]) -> None:
        """Compile a ruleset.

        Raises:
            EngineError: the engine does not take it.
        """
        self._definition = to_json({**rules, _PROBE: _probe_rule()})
        self._handle = self._create()

    def assert_fact(self, message: str) -> int | None:
        """Put in a fact, a JSON object with `sid` and `id`; return what `drain` takes."""
        return self._guarded(lambda: self._state(rete.assert_fact(self._handle, message)))

    def post(self, message: str) -> int | None:
        """Put in an event, which the first rule that fires takes away."""
        return self._guarded(lambda: self._state(rete.assert_event(self._handle, message)))

    def drain(self, state: int) -> list[Fired]:
        """Return what has fired since, by priority."""
        return self._guarded(lambda: self._drain(state))

    def retract(self, ids: Iterable[str]) -> None:
        """Take out facts again; those that no rule was interested in never were inside."""
        self._guarded(lambda: self._retract(ids))

    def free(self) -> None:
        """Give the memory back; the network is not to be used again."""
        rete.delete_state(self._handle, SID)
        rete.delete_ruleset(self._handle)

    def renew(self) -> None:
        """Replace the network by a fresh one, with nothing left in it."""
        with suppress(Exception):
            self.free()
        self._handle = self._create()

    def _create(self) -> int:
        """Compile, and fire a probe: deleting a state that has never fired crashes the engine.

        The probe compares fractions: the engine reads them by the locale's decimal point.
        """
        try:
            handle: int = rete.create_ruleset(f"rules{next(_numbers)}", self._definition)
        except Exception as error:
            raise EngineError(f"The rule engine does not take the rules: {error}") from error
        self._handle = handle
        state = self._state(
            rete.assert_event(handle, message_head(_PROBE, _PROBE) + ',"value":0.75}')
        )
        fired = [] if state is None else self._drain(state)
        if [one.rule for one in fired] != [_PROBE]:
            raise EngineError("The rule engine does not fire")
        return handle

    def _guarded(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except Exception as error:
            self.renew()
            raise EngineError(f"The rule engine failed: {error}") from error
        except BaseException:
            self.renew()
            raise

    def _retract(self, ids: Iterable[str]) -> None:
        for one in ids:
            rete.retract_fact(self._handle, f'{{"sid":"{SID}","id":"{one}"}}')

    @staticmethod
    def _state(result: tuple[int, int]) -> int | None:
        code, state = result
        if code not in {_HANDLED, _NOT_HANDLED}:
            raise EngineError(f"The rule engine answered {code} to a message")
        return state if code == _HANDLED else None

    def _drain(self, state: int) -> list[Fired]:
        started = rete.start_action_for_state(self._handle, state)
        fired: list[Fired] = []
        messages = started[1] if started else None
        while messages is not None:
            fired.append(Fired(messages.split('"', 2)[1], messages))
            messages = rete.complete_and_start_action(self._handle, state)
        return fired


def _probe_rule() -> dict[str, Any]:
    return {"all": [{"m": {"$and": [{"_t": _PROBE}, {"$gt": {"value": 0.25}}]}}]}
