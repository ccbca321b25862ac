"""Where the head of the audit chain is written down outside of the database."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from config.addresses import Url
from config.durations import Duration, limits
from config.request_headers import Headers
from config.section import Section


def _check_path(text: str) -> str:
    if not text or not text.isprintable() or text.endswith("/"):
        raise ValueError("must be the path of a file, as in audit-anchors.jsonl")
    try:
        Path(text).expanduser()
    except RuntimeError:
        raise ValueError("must not begin with the home of an unknown user") from None
    return text


class AuditSettings(Section):
    """Anchors: how often they are made, and where they go."""

    every: Annotated[Duration, limits("1s", "1d")] = timedelta(minutes=1)
    anchor_file: Annotated[str, AfterValidator(_check_path)] = "audit-anchors.jsonl"
    anchor_url: Url | None = None
    anchor_headers: Headers = Field(default_factory=dict)

    def anchor_path(self, home: Path) -> Path:
        """Return the file, in `home` unless it is absolute or begins with `~`."""
        return home / Path(self.anchor_file).expanduser()
