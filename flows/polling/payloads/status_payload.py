"""What a project says about itself: what runs there, since when, and in which state."""

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any, Final, TypeVar

from data.records import StatusReport
from flows.polling.payloads.body_text import decode_body, load_json
from flows.polling.payloads.instants import read_instant
from flows.polling.payloads.plain_text import plain_line
from flows.polling.payloads.redaction import hide, names_secret

_T = TypeVar("_T")

_VERSIONS: Final = ("version", "app_version", "build_version", "release", "tag", "git_sha",
                    "commit", "revision")  # fmt: skip
_STATES: Final = ("state", "status", "phase", "mode")
_STARTED: Final = ("started_at", "start_time", "started", "boot_time", "up_since", "running_since")
_DEPLOYED: Final = ("deployed_at", "deploy_time", "deployed", "deployment_time", "released_at",
                    "release_time", "last_deploy", "last_deployed_at")  # fmt: skip
_WRAPPERS: Final = ("data", "status", "info", "app", "application", "service", "build", "result")

_MOST_KEYS: Final = 50
_MOST_KEYS_READ: Final = 500
_MOST_VALUES: Final = 1_000
_MOST_BYTES: Final = 4_096
_DEEPEST: Final = 4
_KEY_CHARACTERS: Final = 100
_TEXT_CHARACTERS: Final = 500
_MARK_CHARACTERS: Final = 100
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NO_WORD: Final = re.compile(r"[^a-z0-9]++")


def read_status(project: str, recorded_at: datetime, body: bytes) -> StatusReport | None:
    """Return what a JSON object says, None for a body that is none.

    What has no field of its own is in `other`, without secrets, as far as it is small: 50 keys,
    4 levels, 500 characters a text, 4 kB of JSON in all.
    """
    document = load_json(decode_body(body)[0].strip())
    if not isinstance(document, dict):
        return None
    fields = _Fields(document)
    version = fields.first(_VERSIONS, _mark)
    state = fields.first(_STATES, _mark)
    started_at = fields.first(_STARTED, read_instant)
    deployed_at = fields.first(_DEPLOYED, read_instant)
    return StatusReport(
        project=project,
        recorded_at=recorded_at,
        version=version,
        started_at=started_at,
        deployed_at=deployed_at,
        state=state,
        other=_small_enough(fields.unused()),
    )


class _Fields:
    """A document's keys, however they are spelt, then those of the objects directly in it."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        wrapped = [document[key] for key in _WRAPPERS if isinstance(document.get(key), dict)]
        self._parts = [
            {_spelt(key): (key, part[key]) for key in islice(part, _MOST_KEYS_READ)}
            for part in (document, *wrapped)
        ]
        self._used: set[str] = set()

    def first(self, names: tuple[str, ...], read: Callable[[Any], _T | None]) -> _T | None:
        for part in self._parts:
            for key, value in (part[name] for name in names if name in part):
                found = read(value)
                if found is not None:
                    if part is self._parts[0]:
                        self._used.add(key)
                    return found
        return None

    def unused(self) -> Iterator[tuple[str, Any]]:
        return (item for item in self._document.items() if item[0] not in self._used)


def _spelt(key: str) -> str:
    return _NO_WORD.sub("_", _HUMP.sub("_", key[:_KEY_CHARACTERS]).lower()).strip("_")


def _mark(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    return plain_line(str(value), _MARK_CHARACTERS) or None


def _small_enough(items: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return the items that fit, each made small; what does not fit is left out as a whole."""
    kept: dict[str, Any] = {}
    left = _MOST_BYTES - len("{}")
    shrinker = _Shrinker()
    for key, value in islice(items, _MOST_KEYS_READ):
        name, small = shrinker.member(key, value, _DEEPEST, secret=False)
        size = len(json.dumps({name: small}))
        if size <= left and len(kept) < _MOST_KEYS:
            kept[name] = small
            left -= size
    return kept


class _Shrinker:
    """Makes values small and plain, until it has seen more than could ever be kept."""

    def __init__(self) -> None:
        self._left = _MOST_VALUES

    def member(self, key: str, value: Any, levels: int, *, secret: bool) -> tuple[str, Any]:
        """Return key and value. A key that names a secret does so for all that is in it."""
        small = self._value(value, levels, secret=secret or names_secret(key))
        return plain_line(key, _KEY_CHARACTERS), small

    def _value(self, value: Any, levels: int, *, secret: bool) -> Any:
        self._left -= 1
        if self._left < 0 or value is None or isinstance(value, bool):
            return value if isinstance(value, bool) else None
        if isinstance(value, (list, dict)):
            return self._container(value, levels - 1, secret=secret) if levels else None
        if secret:
            return hide(str(value))
        if isinstance(value, float) and not math.isfinite(value):
            return None
        return plain_line(value, _TEXT_CHARACTERS) if isinstance(value, str) else value

    def _container(
        self, value: list[Any] | dict[str, Any], levels: int, *, secret: bool
    ) -> list[Any] | dict[str, Any]:
        if isinstance(value, list):
            return [self._value(each, levels, secret=secret) for each in value[:_MOST_KEYS]]
        members = islice(value.items(), _MOST_KEYS)
        return dict(self.member(key, each, levels, secret=secret) for key, each in members)
