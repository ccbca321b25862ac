"""The last lines of a project's log, from JSON or from plain text, without secrets."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, cast

from data.records import LogLine
from flows.polling.payloads.body_text import decode_body, load_json
from flows.polling.payloads.instants import read_instant
from flows.polling.payloads.plain_text import plain_line, without_controls

_MESSAGE_CHARACTERS: Final = 2_000
_KEY_BLOCK_LINES: Final = 100
_BLANK_LINES_TOO: Final = 4
_LOOKED_AT: Final = 120
_LONGEST_LEVEL: Final = 16

_LISTS: Final = ("lines", "logs", "entries", "messages", "records", "events", "items", "data",
                 "results", "result")  # fmt: skip
_MESSAGES: Final = ("message", "msg", "@message", "event", "text", "log", "line", "body")
_ERRORS: Final = ("exception", "exc_info", "error", "err", "stack_trace", "stack", "traceback")
_LEVELS: Final = ("level", "severity", "lvl", "levelname", "log_level", "loglevel", "log.level",
                  "priority")  # fmt: skip
_TIMES: Final = ("time", "timestamp", "ts", "@timestamp", "datetime", "date", "asctime", "t")

_LEVEL_NAMES: Final = {
    "trace": "trace", "verbose": "trace", "debug": "debug", "dbg": "debug",
    "info": "info", "information": "info", "notice": "info", "inf": "info",
    "warn": "warning", "warning": "warning", "wrn": "warning",
    "error": "error", "err": "error", "severe": "error",
    "critical": "critical", "crit": "critical", "fatal": "critical", "panic": "critical",
    "emergency": "critical", "emerg": "critical", "alert": "critical",
}  # fmt: skip
_LEVEL_NUMBERS: Final = {10: "trace", 20: "debug", 30: "info", 40: "warning", 50: "error",
                         60: "critical"}  # fmt: skip

_LEVEL_WORDS: Final = "|".join(sorted(_LEVEL_NAMES, key=len, reverse=True))
_TIME: Final = re.compile(
    r"""\[? (?P<time> \d{4}[-/]\d\d[-/]\d\d [T ] \d\d:\d\d:\d\d (?:[.,]\d{1,9})?
                      (?: Z | \ ?(?:UTC|[+-]\d\d:?\d\d) )? ) (?:\ UTC)? \]?
        (?:[ \t]*[|:-](?=[ \t]))? [ \t]*""",
    re.X,
)
_LEVEL: Final = re.compile(
    rf"""[\[<(]? (?P<level> (?i:{_LEVEL_WORDS}) (?=[\])>] | [ \t]*(?:[:|]|-[ ]))
                          | (?:{_LEVEL_WORDS.upper()}) (?=[ \t]) )
         [\])>]? [ \t]* (?:[:|]|-(?=[ ]))? [ \t]*""",
    re.X,
)
_LEVEL_LATER: Final = re.compile(
    rf"""\b(?:level|lvl|severity)="?(?P<named>[A-Za-z]++)
       | (?<![^\s|\[(:.]) (?P<loud>{_LEVEL_WORDS.upper()}) (?![^\s|\]):])""",
    re.X,
)
_TIME_LATER: Final = re.compile(r'\b(?:time|ts|timestamp)="?(?P<time>[^\s",]++)')
_KEY_MATERIAL: Final = re.compile(r"[A-Za-z0-9+/=]{1,90}|[A-Za-z-]{1,20}: [ -~]{1,90}")
_NOT_A_LOG: Final = ("<!doctype", "<html")


class _Line(NamedTuple):
    message: str
    level: str | None = None
    logged_at: datetime | None = None


def read_log_lines(
    project: str,
    recorded_at: datetime,
    content_type: str | None,
    body: bytes,
    *,
    limit: int = 200,
) -> list[LogLine]:
    """Return the last `limit` lines, oldest first, each redacted and on one line.

    Understood are JSON (`{"lines": […]}`, a list, one object per line) and plain text, whatever
    `content_type` says. A list whose times fall is turned round. A message of more than 2,000
    characters is cut; the lines of a private key that are logged one by one become one.
    """
    if limit <= 0:
        return []
    items = _oldest_first(_items(decode_body(body)[0].strip(), limit + _KEY_BLOCK_LINES))
    read = [_read_item(item) for item in items[-limit - _KEY_BLOCK_LINES :]]
    lines = [
        LogLine(
            project=project,
            recorded_at=recorded_at,
            logged_at=line.logged_at,
            level=line.level,
            message=plain_line(line.message, _MESSAGE_CHARACTERS),
        )
        for line in _without_key_material(read)
    ]
    return [line for line in lines if line.message][-limit:]


def _items(text: str, count: int) -> Sequence[Any]:
    """Return objects and texts, one a line, at least the last `count`."""
    if text[:1] in {"{", "[", '"'}:
        document = load_json(text)
        if isinstance(document, dict):
            return _listed(document, count)
        if isinstance(document, list):
            return document
        if isinstance(document, str):
            text = document
    if text[:20].lower().startswith(_NOT_A_LOG):
        return []
    return _last_lines(text, count)


def _listed(document: Mapping[str, Any], count: int) -> Sequence[Any]:
    for part in (document, *(document[k] for k in _LISTS if isinstance(document.get(k), dict))):
        for key in _LISTS:
            if isinstance(part.get(key), list):
                return cast("list[Any]", part[key])
            if isinstance(part.get(key), str) and key not in _MESSAGES:
                return _last_lines(part[key], count)
    return [document] if any(isinstance(document.get(key), str) for key in _MESSAGES) else []


def _last_lines(text: str, count: int) -> list[str]:
    most = _BLANK_LINES_TOO * count
    lines = text.rsplit("\n", most)
    return [line for line in lines[-most:] if line and not line.isspace()]


def _oldest_first(items: Sequence[Any]) -> Sequence[Any]:
    if len(items) < 2:
        return items
    first, last = _read_item(items[0]).logged_at, _read_item(items[-1]).logged_at
    return items[::-1] if first is not None and last is not None and first > last else items


def _read_item(item: Any) -> _Line:
    if isinstance(item, str):
        text = item.strip()
        document = load_json(text) if text.startswith("{") else None
        return _read_object(document) if isinstance(document, dict) else _read_text(text)
    if isinstance(item, dict):
        return _read_object(item)
    return _Line("" if item is None else _as_json(item))


def _read_text(text: str) -> _Line:
    """Take time and level from the front of a line; what stands further in stays there too."""
    text = without_controls(text).strip()
    stamp = _TIME.match(text)
    logged_at = read_instant(stamp["time"]) if stamp else None
    message = text[stamp.end() :] if stamp and logged_at else text
    front = message[:_LOOKED_AT]
    prefix = _LEVEL.match(front)
    if prefix:
        level = _level_of(prefix["level"])
        message = message[prefix.end() :]
    else:
        told = _LEVEL_LATER.search(front)
        level = _level_of(told["named"] or told["loud"]) if told else None
    if logged_at is None and (told := _TIME_LATER.search(front)):
        logged_at = read_instant(told["time"])
    return _Line(message or text, level, logged_at)


def _read_object(item: Mapping[str, Any]) -> _Line:
    message = next((item[key] for key in _MESSAGES if item.get(key) not in (None, "")), None)
    if not isinstance(message, str):
        message = _as_json(item if message is None else message)
    error = next((item[key] for key in _ERRORS if isinstance(item.get(key), str)), "")
    if error and error not in message:
        message = f"{message}\n{error}"
    level = next(filter(None, (_level_of(item.get(key)) for key in _LEVELS)), None)
    logged_at = next(filter(None, (read_instant(item.get(key)) for key in _TIMES)), None)
    if level is None or logged_at is None:
        told = _read_text(message)
        level, logged_at = level or told.level, logged_at or told.logged_at
    return _Line(message, level, logged_at)


def _level_of(value: Any) -> str | None:
    if isinstance(value, int):
        return _LEVEL_NUMBERS.get(value)
    if not isinstance(value, str) or not value.isalpha() or len(value) > _LONGEST_LEVEL:
        return None
    return _LEVEL_NAMES.get(value.lower(), value.lower())


def _as_json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        return "…"


def _without_key_material(lines: Iterable[_Line]) -> Iterator[_Line]:
    """Leave out the lines of a private key after the one that begins it, which is redacted."""
    within = False
    for line in lines:
        message = line.message.strip()
        ends = "-----END " in message
        if within and (ends or _KEY_MATERIAL.fullmatch(message)):
            within = not ends
            continue
        within = "-----BEGIN " in message and "PRIVATE KEY" in message and not ends
        yield line
