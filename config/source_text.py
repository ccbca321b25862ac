"""From a path to the text of a file, or to the fault that says why not."""

import codecs
import stat
from pathlib import Path
from typing import Final

from config.errors import ConfigError, Fault

MOST_BYTES: Final = 1_000_000


def read_text(path: Path) -> str:
    """Return the text of a small UTF-8 file, without its byte order mark.

    Raises:
        ConfigError: it is missing, cannot be read, is no regular file (a pipe would block), is
            larger than 1 MB, or is not UTF-8.
    """
    raw = _read_bytes(path).removeprefix(codecs.BOM_UTF8)
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        problem = f"must be UTF-8, the byte 0x{raw[error.start]:02x} is not"
        raise ConfigError([Fault(str(path), line, "file", problem)]) from None


def _read_bytes(path: Path) -> bytes:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise _refusal(path, "must be a file, this is a directory")
        if not stat.S_ISREG(mode):
            raise _refusal(path, "must be a regular file")
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise _refusal(path, "does not exist") from None
    except OSError as error:
        raise _refusal(path, f"cannot be read: {error.strerror}") from None
    except ValueError:
        raise _refusal(path, "is not a path") from None
    if len(raw) > MOST_BYTES:
        raise _refusal(path, f"must be at most {MOST_BYTES:,} bytes")
    return raw


def _refusal(path: Path, problem: str) -> ConfigError:
    return ConfigError([Fault(str(path), 0, "file", problem)])
