"""A secret of this installation that outlives its processes."""

import os
import secrets
from contextlib import suppress
from pathlib import Path


def lasting_key(path: Path) -> bytes:
    """Return the 32 random bytes in `path`, made at the first call; only the owner may read it.

    It is written beside and then linked to its name, so nobody ever reads half of it.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        written = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(32))
        with suppress(FileExistsError):
            os.link(written, path)
        written.unlink()
    return path.read_bytes()
