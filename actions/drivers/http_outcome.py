"""What an HTTP exchange says about the effect of an action.

Certain are only two things: nothing was sent, or the target itself answered. A gateway's answer
is none of the target's: behind a 502, 503 or 504 the request may have been carried out.
"""

import json
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from actions.drivers.http_exchange import Exchange
from actions.notification.plain_text import one_line
from actions.secret_filling import Secrets
from config.action_spec import HttpAction, Scalar

Result = Literal["done", "failed", "unknown"]
Judgement = tuple[Result, str, bool]

OF_GATEWAYS: Final = frozenset({502, 503, 504, *range(520, 528)})
"""Also those of CDNs, 520 to 527."""
WORTH_RETRYING: Final = frozenset({408, 425, 429})

_MOST_EXCERPT: Final = 200
_MOST_RETRY_AFTER: Final = 40


def judge(exchange: Exchange, spec: HttpAction, secrets: Secrets) -> Judgement:
    """Return the result, what to tell of it, and whether trying again is useless.

    1. Nothing was sent: failed.
    2. No status came: unknown.
    3. A status of success, with the fields of the answer as they should be: done. Without the
       end of the answer, or when it cannot be read: unknown.
    4. Another status: failed; for good when it is a redirect, a 501 or a 4xx that is not about
       time or rate. A gateway's: unknown.
    """
    if exchange.status is None:
        problem = exchange.problem or "no answer"
        return ("unknown" if exchange.sent else "failed"), problem, False
    if spec.success.takes(exchange.status):
        return _judge_success(exchange, spec)
    return _judge_refusal(exchange, exchange.status, secrets)


def _judge_success(exchange: Exchange, spec: HttpAction) -> Judgement:
    answered = f"answered {exchange.status}"
    if exchange.problem is not None:
        return "unknown", f"{answered}, but {exchange.problem}", False
    if not spec.success.json_:
        return "done", answered, False
    if exchange.too_long:
        return "unknown", f"{answered} with more than {spec.max_response_bytes:,} bytes", False
    try:
        answer = json.loads(exchange.body)
    except (ValueError, RecursionError):
        return "unknown", f"{answered}, but not with JSON", False
    for path, expected in spec.success.json_.items():
        if not _is_as_expected(answer, path, expected):
            return "failed", f"{answered}, but {path} is not as it should be", False
    return "done", answered, False


def _judge_refusal(exchange: Exchange, status: int, secrets: Secrets) -> Judgement:
    if not 200 <= status < 600:
        return "unknown", f"answered {status}, which is no status of HTTP", False
    told = f"answered {status}{_retry_after(exchange)}"
    if excerpt := _excerpt(exchange, secrets):
        told += f": {excerpt}"
    if status in OF_GATEWAYS:
        return "unknown", told, False
    if 300 <= status < 400:
        return "failed", f"answered {status}{_elsewhere(exchange)}, which is not followed", True
    permanent = (400 <= status < 500 and status not in WORTH_RETRYING) or status == 501
    return "failed", told, permanent


def _retry_after(exchange: Exchange) -> str:
    value = exchange.headers.get("retry-after", "").strip()
    if not value or not value.isprintable() or len(value) > _MOST_RETRY_AFTER:
        return ""
    return f", retry after {value}{' s' if value.isdigit() else ''}"


def _elsewhere(exchange: Exchange) -> str:
    """Return the host that a redirect names; the rest of an address may hold a secret."""
    try:
        host = urlsplit(exchange.headers.get("location", "")).hostname
    except ValueError:
        host = None
    return f", a redirect to {one_line(host, 100)}" if host else ", a redirect"


def _excerpt(exchange: Exchange, secrets: Secrets) -> str:
    if exchange.headers.get("content-encoding", "identity") != "identity":
        return ""
    text = exchange.body.decode("utf-8", "replace")
    return one_line(secrets.mask(text), _MOST_EXCERPT)


def _is_as_expected(answer: Any, path: str, expected: Scalar | None) -> bool:
    found = _at(answer, path)
    if isinstance(expected, bool) or isinstance(found, bool):
        return found is expected
    return bool(found == expected)


def _at(answer: Any, path: str) -> Any:
    """Return what is at a dotted path, None where nothing is."""
    for step in path.split("."):
        if isinstance(answer, dict):
            answer = answer.get(step)
        elif isinstance(answer, list) and step.isascii() and step.isdigit():
            answer = answer[int(step)] if len(step) < 7 and int(step) < len(answer) else None
        else:
            return None
    return answer
