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
    written in its knowledge. A file in which no line has `previous`, as one that was collected
    at an address, is no chain: its lines are taken as they are.

    Raises:
        AnchorsUnreadable: the file is missing or cannot be read.
    """
    reading = _Reading(path)
    try:
        with path.open("rb") as file:
            for line in file:
                reading.take(line)
    except OSError as error:
        raise AnchorsUnreadable(f"{path}: the anchors cannot be read: {error.strerror}") from None
    return reading.end()


class _Reading:
    """Holds each line of a file against the line before it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._anchors: list[Anchor] = []
        self._faults: list[str] = []
        self._number = 0
        self._before = _FIRST
        self._chained = False
        self._unread = 0  # the last line, if it is no anchor and no line has vouched for it yet

    def take(self, line: bytes) -> None:
        self._number += 1
        body = line.removesuffix(b"\n")
        parsed = _parse(body)
        if parsed is None:
            self._blame_unread()
            self._unread = self._number if line.endswith(b"\n") else 0
        else:
            anchor, previous = parsed
            self._anchors.append(anchor)
            self._check(previous)
        self._before = _digest(body)

    def end(self) -> AnchorFile:
        self._blame_unread()
        return AnchorFile(anchors=tuple(self._anchors), faults=tuple(self._faults))

    def _check(self, previous: str | None) -> None:
        if previous is None and not self._chained:
            self._blame_unread()
        elif previous != self._before:
            self._blame(self._unread or self._number, self._what_is_broken())
        self._chained = self._chained or previous is not None
        self._unread = 0

    def _what_is_broken(self) -> str:
        if self._unread:
            return "the line was damaged after it was written"
        if self._number == 1:
            return "lines before this one were removed"
        return "the line before was changed, or lines between were removed"

    def _blame_unread(self) -> None:
        if self._unread:
            self._blame(self._unread, "the line is no anchor")

    def _blame(self, number: int, problem: str) -> None:
        self._faults.append(f"{self._path}:{number}: {problem}")


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


def _parse(line: bytes) -> tuple[Anchor, str | None] | None:
    """Return an anchor and the digest of the line it was written after, if it has one."""
    try:
        said = json.loads(line)
        anchor = Anchor(
            seq=int(said["seq"]),
            hash=said["hash"],
            at=datetime.fromisoformat(said["at"]),
            hub=str(said["hub"]),
            database=UUID(said["database"]),
        )
        previous = said.get("previous", None)
        whole = _HASH.fullmatch(anchor.hash) and (previous is None or _HASH.fullmatch(previous))
        return (anchor, previous) if whole else None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
