"""The hash of a row of the audit chain, computed without the database's help.

The form is that of `0003_audit_chain.sql`: each field as `<length in bytes>:<text>,`, one that is
null as `-,`, then the hash of the row before.
"""

import hashlib
from collections.abc import Iterable
from typing import Final, NamedTuple

GENESIS: Final = bytes(32)
"""What stands for the hash before row 1."""

FIELDS: Final = (
    "seq",
    "recorded_at",
    "action_id",
    "project",
    "incident_id",
    "action",
    "from_state",
    "to_state",
    "actor",
    "reason",
    "details",
)


class Link(NamedTuple):
    """A row as it is hashed: `seq` again as the first of `fields`, all of them as text."""

    seq: int
    fields: tuple[str | None, ...]
    previous_hash: bytes
    hash: bytes

    def hash_after(self, previous_hash: bytes) -> bytes:
        """Return the hash this row has when it follows that one."""
        return hashlib.sha256(_encode(self.fields) + previous_hash).digest()

    def number_at_first(self, highest: int) -> int | None:
        """Return the number up to `highest` under which the row's hash is right, if there is one.

        It tries them all, a million in a second or two.
        """
        rest = _encode(self.fields[1:]) + self.previous_hash
        for number in range(1, highest + 1):
            if hashlib.sha256(_encode((str(number),)) + rest).digest() == self.hash:
                return number
        return None


def _encode(fields: Iterable[str | None]) -> bytes:
    parts = []
    for field in fields:
        if field is None:
            parts.append(b"-,")
        else:
            text = field.encode("utf-8", "surrogatepass")
            parts.append(b"%d:%b," % (len(text), text))
    return b"".join(parts)
