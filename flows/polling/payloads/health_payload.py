"""What a health endpoint's answer says: a status, and in plain words what is wrong.

The status code and the body each have a say, and the worse one counts, without exception: a 503
that says "UP" is down, so is a 200 that says "down", and a 503 that says "degraded" is down too,
because whoever routes traffic by the code has stopped sending any.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice
from typing import Any, Final

from data.records import HealthStatus
from flows.polling.payloads.body_text import NOT_JSON, decode_body, load_json
from flows.polling.payloads.plain_text import plain_line

_SHORT_TEXT: Final = 64
_LONG_TEXT: Final = 160
_NAMED_CHECKS: Final = 3
_MOST_CHECKS: Final = 1_000

_SEVERITY: Final[dict[HealthStatus, int]] = {"unknown": 0, "healthy": 1, "degraded": 2, "down": 3}
_HEALTHY_WORDS: Final = (
    "healthy ok okay pass passed passing up alive ready running true green success successful "
    "available online operational"
)
_DEGRADED_WORDS: Final = "degraded warn warning partial yellow unstable impaired"
_DOWN_WORDS: Final = (
    "down fail failed failing failure critical error unhealthy dead red out_of_service stopped "
    "false unavailable offline"
)
_WORDS: Final[dict[str, HealthStatus]] = {
    **dict.fromkeys(_HEALTHY_WORDS.split(), "healthy"),
    **dict.fromkeys(_DEGRADED_WORDS.split(), "degraded"),
    **dict.fromkeys(_DOWN_WORDS.split(), "down"),
}

_STATUS_KEYS: Final = ("status", "state", "health", "healthy", "ok", "result", "alive", "up",
                       "success")  # fmt: skip
_WRAPPERS: Final = ("data", "health", "status", "result", "response", "state")
_CHECK_KEYS: Final = ("checks", "components", "details", "entries", "results", "services",
                      "dependencies", "error")  # fmt: skip
_EXPLANATION_KEYS: Final = ("detail", "output", "message", "error", "reason", "description",
                            "cause", "details", "note", "notes", "data")  # fmt: skip
_NAME_KEYS: Final = ("name", "id", "component", "service")

_NO_NEWS: Final = " .!0123456789"
_NOTHING_SAID: Final[tuple[HealthStatus, str, Any]] = ("unknown", "", None)
_PHRASES: Final = {status.value: status.phrase.lower() for status in HTTPStatus}

_SUBJECT = r"""(?: (?:[\w.-]++\ ){0,4}?(?:is|are)\ (?:(?:currently|now)\ )?
                 | (?:the\ )?(?:status|state|health|service|server|system|app|application|api
                              |health\ ?check)\ ?[:=]?\ ?)?"""
_BAD_WORD = "|".join(sorted(f"{_DEGRADED_WORDS} {_DOWN_WORDS}".split())).replace("_", "[ _]")
_BAD_TEXT: Final = re.compile(rf"{_SUBJECT}(?P<word>{_BAD_WORD})(?:[.!]*+$|\ ?[:;,(–-])", re.X)
_NOT_HEALTHY: Final = re.compile(r"\bnot (?:healthy|ok|okay|ready|alive|running|available|up)\b")
_SOFTENING: Final = re.compile(
    rf"\b(?:no|not|never|none|without|zero|0|{'|'.join(_HEALTHY_WORDS.split())})\b"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """`detail` says in plain words what is wrong, None when all is well. It holds no secrets."""

    status: HealthStatus
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What a body says: of the whole, in its own word for it, and what explains it."""

    status: HealthStatus = "unknown"
    word: str | None = None
    failing: str | None = None
    message: str | None = None


def read_health(http_status: int, content_type: str | None, body: bytes) -> Health:
    """Return the worse of what the status code and the body say.

    1. The code: 2xx and 3xx are healthy, 429 is degraded, everything else is down.
    2. A JSON body: its status words, its booleans, its checks. Without a word for the whole, a
       failing check makes it degraded: the project answers, a part of it does not.
    3. A short text (up to 64 characters), where its words are unambiguous.

    `content_type` is not needed: what a body is shows in the body.
    """
    by_code = _status_of_code(http_status)
    said = _read_body(body)
    status = max(by_code, said.status, key=_SEVERITY.__getitem__)
    if by_code != "healthy":
        return Health(status=status, detail=_detail_of_code(http_status, said))
    if said.status in {"degraded", "down"}:
        return Health(status=status, detail=said.failing or said.message or f"says {said.word}")
    if said.status == "unknown" and said.word is not None:
        return Health(status=status, detail=f"its status {said.word} is not a known word")
    return Health(status=status, detail=said.failing)


def _status_of_code(code: int) -> HealthStatus:
    if 200 <= code < 400:
        return "healthy"
    return "degraded" if code == HTTPStatus.TOO_MANY_REQUESTS else "down"


def _read_body(body: bytes) -> _Said:
    text = decode_body(body)[0].strip()
    document = load_json(text) if text else None
    if isinstance(document, dict):
        return _read_object(document)
    if document is NOT_JSON:
        return _read_text(text)
    if isinstance(document, str):
        return _read_text(document)
    if isinstance(document, bool):
        return _Said(status=_status_of_value(document), word=str(document).lower())
    return _Said()


def _read_object(document: dict[str, Any]) -> _Said:
    parts = [document, *(document[k] for k in _WRAPPERS if isinstance(document.get(k), dict))]
    said = [
        (_status_of_value(part[key]), key, part[key])
        for part in parts
        for key in _STATUS_KEYS
        if key in part and _is_status(key, part[key])
    ]
    status, key, word = max(said, key=lambda each: _SEVERITY[each[0]], default=_NOTHING_SAID)
    failing = _failing_checks(parts)
    if status == "unknown" and failing:
        status = "degraded"
    return _Said(
        status=status,
        word=_quoted(key, word),
        failing=_listed(failing),
        message=None if status == "healthy" else next(filter(None, map(_explanation, parts)), None),
    )


def _is_status(key: str, value: Any) -> bool:
    """Tell whether a value is one we know, or at least a word where a status belongs."""
    if _status_of_value(value) != "unknown":
        return True
    return isinstance(value, str) and key in {"status", "state", "health"}


def _quoted(key: str, word: Any) -> str | None:
    if isinstance(word, bool):
        return f"{key}: {str(word).lower()}"
    return None if word is None else f'"{plain_line(str(word), _SHORT_TEXT)}"'


def _status_of_value(value: Any) -> HealthStatus:
    if isinstance(value, bool):
        return "healthy" if value else "down"
    if isinstance(value, int):
        return _status_of_code(value) if 200 <= value < 600 else "unknown"
    if not isinstance(value, str) or len(value) > _SHORT_TEXT:
        return "unknown"
    word = value.strip().rstrip(".!").lower().replace(" ", "_").replace("-", "_")
    return _WORDS.get(word, "unknown")


def _read_text(text: str) -> _Said:
    if text.startswith("<") or len(text) > _LONG_TEXT:
        return _Said()
    line = plain_line(text, _LONG_TEXT)
    status = _status_of_value(line)
    if status == "unknown":
        status = _status_of_sentence(line.lower())
    word = f'"{line}"' if status == "healthy" else None
    return _Said(status=status, word=word, message=line or None)


def _status_of_sentence(text: str) -> HealthStatus:
    """Tell only what is bad: a sentence that sounds well says no more than the code does."""
    if len(text) > _SHORT_TEXT:
        return "unknown"
    if _NOT_HEALTHY.search(text):
        return "down"
    bad = _BAD_TEXT.match(text)
    if bad is None or _SOFTENING.search(text):
        return "unknown"
    return _status_of_value(bad["word"])


def _failing_checks(parts: list[dict[str, Any]]) -> dict[str, str]:
    failing: dict[str, str] = {}
    checks = (check for part in parts for key in _CHECK_KEYS for check in _checks(part.get(key)))
    for name, check in islice(checks, _MOST_CHECKS):
        value, explanation = check, None
        if isinstance(check, dict):
            value = next((check[key] for key in _STATUS_KEYS if key in check), None)
            explanation = _explanation(check)
        if _status_of_value(value) in {"degraded", "down"}:
            what = explanation or plain_line(str(value), _SHORT_TEXT)
            failing.setdefault(plain_line(name, _SHORT_TEXT), what)
    return failing


def _checks(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield name and check, from a mapping (also of lists, as in health+json) or from a list."""
    if isinstance(value, dict):
        for name, check in value.items():
            yield from ((name, each) for each in (check if isinstance(check, list) else [check]))
    elif isinstance(value, list):
        for check in value:
            if isinstance(check, dict):
                name = next((check[key] for key in _NAME_KEYS if key in check), None)
                yield (name if isinstance(name, str) else "a check"), check


def _explanation(part: dict[str, Any]) -> str | None:
    for key in _EXPLANATION_KEYS:
        value = part.get(key)
        if isinstance(value, dict):
            value = next((value[k] for k in _EXPLANATION_KEYS if value.get(k)), None)
        if isinstance(value, str) and _status_of_value(value) == "unknown":
            return plain_line(value, _LONG_TEXT) or None
    return None


def _listed(failing: dict[str, str]) -> str | None:
    if not failing:
        return None
    named = [f"{name}: {what}" for name, what in islice(failing.items(), _NAMED_CHECKS)]
    more = len(failing) - len(named)
    return "; ".join(named) + (f"; and {more:,} more" if more else "")


def _detail_of_code(code: int, said: _Said) -> str:
    if said.status == "healthy" and not said.failing:
        return f"HTTP {code}, though it says {said.word}"
    told = said.failing or said.message
    if told is not None and told.lower().replace(_PHRASES.get(code, " "), "").strip(_NO_NEWS):
        return f"HTTP {code}: {told}"
    if said.status == "degraded":
        return f"HTTP {code}, though it says only {said.word}"
    return f"HTTP {code}"
