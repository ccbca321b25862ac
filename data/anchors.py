"""Anchors: which row the audit chain had reached when, written down outside of the database.

The file has one JSON document a line, each with the SHA-256 of the line before it, so that a line
that was changed or taken out of the middle is noticed.
"""

import fcntl
import hashlib
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from config.errors import OpsloreError

_FIRST: Final = "0" * 64
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_LONGEST_LINE: Final = 65_536
_WAIT_S: Final = 5.0


class AnchorsUnreadable(OpsloreError):
    """The anchors cannot be read."""


class AnchorsUnwritable(OpsloreError):
    """An anchor could not be written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """At this instant a hub saw this row at the head of this database's chain; `hash` in hex."""

    seq: int
    hash: str
    at: datetime
    hub: str
    database: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorFile:
    """What a file of anchors holds, and sentences on what is wrong with the file itself."""

    anchors: tuple[Anchor, ...]
    faults: tuple[str, ...]


def read(path: Path) -> AnchorFile:
    """Return the anchors of a file, oldest first.

    A line that a crash left unfinished is no fault: it is the last one, or the next one was
    written in its knowledge.

    Raises:
        AnchorsUnreadable: the file is missing or cannot be read.
    """
    anchors: list[Anchor] = []
    faults: list[str] = []
    unread, before = 0, _FIRST
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                body = line.removesuffix(b"\n")
                found = _parse(body)
                if found is None:
                    if unread:
                        faults.append(f"{path}:{unread}: the line is no anchor")
                    unread = number if line.endswith(b"\n") else 0
                else:
                    anchor, follows = found
                    if follows != before:
                        faults.append(_broken(path, number, unread))
                    unread = 0
                    anchors.append(anchor)
                before = _digest(body)
    except OSError as error:
        raise AnchorsUnreadable(f"{path}: the anchors cannot be read: {error.strerror}") from None
    if unread:
        faults.append(f"{path}:{unread}: the line is no anchor")
    return AnchorFile(anchors=tuple(anchors), faults=tuple(faults))


def append(path: Path, anchor: Anchor) -> bool:
    """Write an anchor at the end of the file and wait for the disk; make the file if need be.

    Returns False when the last line says the same already. Several processes may share a file.

    Raises:
        AnchorsUnwritable: the disk is full, the folder is not writable, another process holds
            the file for 5 s.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            with _locked(descriptor):
                return _append(descriptor, anchor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise AnchorsUnwritable(
            f"{path}: the anchor of row {anchor.seq} was not written: {error.strerror}"
        ) from None


def _append(descriptor: int, anchor: Anchor) -> bool:
    size = os.fstat(descriptor).st_size
    tail = os.pread(descriptor, _LONGEST_LINE, max(0, size - _LONGEST_LINE))
    unfinished = bool(tail) and not tail.endswith(b"\n")
    last = tail.removesuffix(b"\n").rpartition(b"\n")[2] if tail else None
    known = _parse(last) if last is not None else None
    if known and (known[0].seq, known[0].hash, known[0].database) == (
        anchor.seq,
        anchor.hash,
        anchor.database,
    ):
        return False
    document = {
        "seq": anchor.seq,
        "hash": anchor.hash,
        "at": anchor.at.isoformat(),
        "hub": anchor.hub,
        "database": str(anchor.database),
        "previous": _digest(last) if last is not None else _FIRST,
    }
    line = json.dumps(document).encode() + b"\n"
    data = b"\n" * unfinished + line
    if os.write(descriptor, data) != len(data):
        os.ftruncate(descriptor, size)
        raise OSError(None, "the disk is full")
    os.fsync(descriptor)
    return True


@contextmanager
def _locked(descriptor: int) -> Iterator[None]:
    deadline = time.monotonic() + _WAIT_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
    yield  # closing the file lets go of it


def _parse(line: bytes) -> tuple[Anchor, str] | None:
    """Return an anchor and the digest of the line it was written after."""
    try:
        said = json.loads(line)
        anchor = Anchor(
            seq=int(said["seq"]),
            hash=said["hash"],
            at=datetime.fromisoformat(said["at"]),
            hub=str(said["hub"]),
            database=UUID(said["database"]),
        )
        whole = all(_HASH.fullmatch(said[key]) for key in ("hash", "previous"))
        return (anchor, said["previous"]) if whole else None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def _broken(path: Path, number: int, unread: int) -> str:
    if unread:
        return f"{path}:{unread}: the line was damaged after it was written"
    if number == 1:
        return f"{path}:1: lines before this one were removed"
    return f"{path}:{number}: the line before was changed, or lines between were removed"
