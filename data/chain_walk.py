"""Walk along an audit chain from its first row, and say where it is broken and how."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

from data.anchors import Anchor
from data.chain_hash import GENESIS, Link

BreachKind = Literal[
    "changed",
    "removed",
    "inserted",
    "renumbered",
    "replaced",
    "rewritten",
    "truncated",
    "emptied",
    "unaccounted",
    "unguarded",
    "anchors_damaged",
    "anchors_foreign",
]

_BEYOND: Final = 1_000
_MOST_TRIED: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """One thing that is wrong; `seq` is the row, None where it is about no row.

    `expected` and `found` are hashes in hex, or words where there is no hash to tell.
    """

    kind: BreachKind
    seq: int | None
    problem: str
    expected: str | None = None
    found: str | None = None


class Walk:
    """Takes the rows of one chain in their order and holds them against anchors.

    It tells of the first row that is broken and of the first anchor that does not fit; what
    comes after these is broken with them. With `partial`, rows may be missing: those that
    follow each other are held against each other, the others are judged alone. `highest` is the
    number of the last row as far as it is known: no row had a higher one.
    """

    def __init__(
        self, anchors: Iterable[Anchor], *, partial: bool = False, highest: int = 0
    ) -> None:
        self.rows = 0
        self.last: Link | None = None
        self.anchored_seq = 0
        self._partial = partial
        self._anchors: dict[int, list[Anchor]] = defaultdict(list)
        for anchor in anchors:
            self._anchors[anchor.seq].append(anchor)
        self._highest = max(highest, *self._anchors, 0) + _BEYOND
        self._broken: Breach | None = None
        self._rewritten: Breach | None = None

    def take(self, link: Link) -> None:
        self.rows += 1
        if self._broken is None:
            self._broken = self._check(link)
        if self._rewritten is None and link.seq in self._anchors:
            self._rewritten = self._hold_against_anchors(link)
        self.last = link

    def breaches(self) -> list[Breach]:
        """Return what is wrong, once the last row was taken."""
        found = (self._broken, self._rewritten, None if self._partial else self._cut_off())
        return [breach for breach in found if breach]

    def _check(self, link: Link) -> Breach | None:
        expected_seq = self.last.seq + 1 if self.last else 1
        previous_hash = self.last.hash if self.last else GENESIS
        if link.seq > expected_seq:
            if not self._partial:
                return _removed(link, expected_seq, previous_hash)
            previous_hash = link.previous_hash
        if link.seq < expected_seq:
            return _numbered_again(link, expected_seq)
        if link.hash_after(link.previous_hash) != link.hash:
            return _changed(link, previous_hash, max(self._highest, link.seq + _BEYOND))
        if link.previous_hash != previous_hash:
            return _replaced(link, previous_hash)
        return None

    def _hold_against_anchors(self, link: Link) -> Breach | None:
        for anchor in self._anchors[link.seq]:
            if anchor.hash != link.hash.hex():
                return Breach(
                    kind="rewritten",
                    seq=link.seq,
                    problem=f"row {link.seq} is not the one that {_anchored(anchor)}:"
                    + (
                        f" rows after {self.anchored_seq} were rewritten"
                        if self.anchored_seq
                        else " the chain was rewritten"
                    ),
                    expected=anchor.hash,
                    found=link.hash.hex(),
                )
        self.anchored_seq = link.seq
        return None

    def _cut_off(self) -> Breach | None:
        last_seq = self.last.seq if self.last else 0
        last_anchored = max(self._anchors, default=0)
        if last_anchored <= last_seq:
            return None
        anchor = self._anchors[last_anchored][-1]
        first = last_seq + 1
        rows = f"row {first} is" if first == last_anchored else f"rows {first} to {anchor.seq} are"
        return Breach(
            kind="truncated" if self.rows else "emptied",
            seq=first,
            problem=f"{rows} missing at the end: row {anchor.seq} {_anchored(anchor)}",
            expected=anchor.hash,
            found="no row",
        )


def _anchored(anchor: Anchor) -> str:
    return f"was anchored by {anchor.hub} at {anchor.at:%Y-%m-%d %H:%M:%S} UTC"


def _removed(link: Link, expected_seq: int, previous_hash: bytes) -> Breach:
    if link.previous_hash == previous_hash:  # nothing was there between them
        return Breach(
            kind="renumbered",
            seq=expected_seq,
            problem=f"row {expected_seq} has the number {link.seq}",
            expected=str(expected_seq),
            found=str(link.seq),
        )
    last = link.seq - 1
    gone = f"row {last} is" if last == expected_seq else f"rows {expected_seq} to {last} are"
    return Breach(
        kind="removed",
        seq=expected_seq,
        problem=f"{gone} missing",
        expected=previous_hash.hex(),
        found=link.previous_hash.hex(),
    )


def _numbered_again(link: Link, expected_seq: int) -> Breach:
    return Breach(
        kind="inserted",
        seq=link.seq,
        problem=f"a row has the number {link.seq} where {expected_seq} comes next",
        expected=str(expected_seq),
        found=str(link.seq),
    )


def _changed(link: Link, previous_hash: bytes, highest: int) -> Breach:
    now = link.hash_after(link.previous_hash).hex()
    broken = partial(Breach, seq=link.seq, expected=link.hash.hex(), found=now)
    if link.hash_after(previous_hash) == link.hash:
        problem = f"row {link.seq} was changed: its previous_hash is not the hash before it"
        return Breach(
            kind="changed",
            seq=link.seq,
            problem=problem,
            expected=previous_hash.hex(),
            found=link.previous_hash.hex(),
        )
    number = link.number_at_first(min(highest, _MOST_TRIED))
    if number is not None:
        problem = f"row {link.seq} was row {number} when it was written"
        return broken(kind="renumbered", problem=problem)
    problem = f"row {link.seq} was changed: its content does not have its hash"
    return broken(kind="changed", problem=problem)


def _replaced(link: Link, previous_hash: bytes) -> Breach:
    before = f"row {link.seq - 1} or row {link.seq}" if link.seq > 1 else "row 1"
    return Breach(
        kind="replaced",
        seq=max(1, link.seq - 1),
        problem=f"{before} was replaced: row {link.seq} does not follow the row before it",
        expected=previous_hash.hex(),
        found=link.previous_hash.hex(),
    )
