"""A secret of this installation that outlives its processes."""

import os
import secrets
from contextlib import suppress
from pathlib import Path


def lasting_key(path: Path) -> bytes:
    """Return the 32 random bytes in `path`, made at the first call; only the owner may read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(32))
    return path.read_bytes()
