"""The page behind an approval link: plain HTML without a script, everything in it escaped."""

import base64
import hashlib
from pathlib import Path
from typing import Final

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from data.attempts import Attempt

MOST_REASON: Final = 500

_STYLE: Final = (
    "body{font:1.1em/1.5 system-ui,sans-serif;margin:2em auto;max-width:36em;padding:0 1em}"
    "dt{font-weight:bold}dd{margin:0 0 .6em;overflow-wrap:anywhere}"
    "form{border:1px solid;padding:1em;margin:1em 0}"
    "input{display:block;width:100%;box-sizing:border-box;font:inherit}"
    "button{font:inherit;margin-top:.6em;padding:.3em 1.5em}"
    ".said{border-left:4px solid;padding:0 1em}"
)
_DIGEST: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_TEMPLATE: Final = Environment(
    autoescape=True, undefined=StrictUndefined, trim_blocks=True
).from_string(Path(__file__).with_name("approval_page.html").read_text(encoding="utf-8"))

HEADERS: Final = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-robots-tag", b"noindex, nofollow"),
    (
        b"content-security-policy",
        f"default-src 'none'; style-src 'sha256-{_DIGEST}'; form-action 'self';"
        " base-uri 'none'; frame-ancestors 'none'".encode(),
    ),
)


def page(
    title: str,
    *,
    message: str = "",
    attempt: Attempt | None = None,
    undo: str | None = None,
    who: str | None = None,
) -> bytes:
    """Return a page; with `who`, the one who may decide, it has the two forms."""
    return _TEMPLATE.render(
        title=title,
        message=message,
        attempt=attempt,
        undo=undo,
        who=who,
        most=MOST_REASON,
        style=Markup(_STYLE),
    ).encode()
