"""What the platform was asked to do, once per idempotency key, and what came of it."""

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal


class KeyReused(Exception):
    """The idempotency key was already used for a different call."""


def now_text() -> str:
    """Return the present instant as ISO text, in UTC."""
    return datetime.now(UTC).isoformat()


@dataclass(slots=True, kw_only=True)
class Call:
    """One call, however often it was received under the same key."""

    id: str
    project: str
    action: str
    parameters: dict[str, object]
    idempotency_key: str | None
    accepted_at: str = field(default_factory=now_text)
    received: int = 1
    state: Literal["accepted", "done", "failed"] = "accepted"
    finished_at: str | None = None
    error: str | None = None

    def finish(self, error: str | None = None) -> None:
        """Note the outcome."""
        self.state = "done" if error is None else "failed"
        self.error = error
        self.finished_at = now_text()

    def answer(self) -> dict[str, str]:
        """Return what the caller hears: the same every time the key is used."""
        return {
            "id": self.id,
            "project": self.project,
            "action": self.action,
            "accepted_at": self.accepted_at,
        }


class CallLedger:
    """All calls since the start, oldest first."""

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._by_key: dict[str, Call] = {}

    def admit(
        self, project: str, action: str, parameters: dict[str, object], key: str | None
    ) -> tuple[Call, bool]:
        """Return the call, and whether it is new, that is, whether to carry it out.

        Raises:
            KeyReused: the key came before with another project, action or parameters.
        """
        known = None if key is None else self._by_key.get(key)
        if known is not None:
            if (known.project, known.action, known.parameters) != (project, action, parameters):
                raise KeyReused
            known.received += 1
            return known, False
        call = Call(
            id=f"call-{len(self._calls) + 1}",
            project=project,
            action=action,
            parameters=parameters,
            idempotency_key=key,
        )
        self._calls.append(call)
        if key is not None:
            self._by_key[key] = call
        return call, True

    def report(self) -> dict[str, Any]:
        """Return every call, and how many effects of each action each project has felt."""
        effects: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for call in self._calls:
            if call.state == "done":
                effects[call.project][call.action] += 1
        return {"calls": [asdict(call) for call in self._calls], "effects": effects}
