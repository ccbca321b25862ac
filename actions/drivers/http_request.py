"""The request that an HTTP action makes of a call."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

from actions.call import Call
from actions.filling import CannotFill, Filling
from actions.secret_filling import SENSITIVE
from config.action_spec import HttpAction
from config.action_urls import check_filled

_MOST_BYTES = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedRequest:
    """A request with everything filled in, secrets too: it is never shown."""

    method: str
    url: str
    headers: dict[str, str]
    content: bytes | None


def prepare(call: Call, spec: HttpAction, filling: Filling) -> PreparedRequest:
    """Return the request of a call.

    Raises:
        CannotFill, SecretMissing, SecretUnreadable: something cannot be filled in.
    """
    content, content_type = _content(spec, filling)
    headers = {name: filling.header(name, value) for name, value in spec.headers.items()}
    for name, value in headers.items():
        if SENSITIVE.search(name):
            filling.secrets.hide(value, value.rpartition(" ")[2])
    given = {name.lower() for name in headers}
    for name, standard in _standard_headers(call, spec, content_type):
        if name.lower() not in given:
            headers[name] = standard
    return PreparedRequest(
        method=spec.method, url=_url(spec, filling), headers=headers, content=content
    )


def _url(spec: HttpAction, filling: Filling) -> str:
    try:
        return check_filled(filling.url(spec.url))
    except ValueError as error:
        raise CannotFill(f"the address {error}") from None


def _content(spec: HttpAction, filling: Filling) -> tuple[bytes | None, str | None]:
    content, content_type = None, None
    if spec.body is not None:
        content = json.dumps(filling.json(spec.body), ensure_ascii=False).encode()
        content_type = "application/json"
    elif spec.form:
        content_type = "application/x-www-form-urlencoded"
        fields = {name: filling.text(value) for name, value in spec.form.items()}
        content = urlencode(fields).encode()
    if content is not None and len(content) > _MOST_BYTES:
        raise CannotFill(f"the body must be at most {_MOST_BYTES:,} bytes")
    return content, content_type


def _standard_headers(
    call: Call, spec: HttpAction, content_type: str | None
) -> Iterator[tuple[str, str]]:
    yield "User-Agent", "opslore"
    yield "Accept", "application/json, */*;q=0.5"
    # Anything compressed could grow beyond every limit when it is unpacked.
    yield "Accept-Encoding", "identity"
    if content_type is not None:
        yield "Content-Type", content_type
    if spec.idempotency_header is not None:
        yield spec.idempotency_header, str(call.attempt_id)
