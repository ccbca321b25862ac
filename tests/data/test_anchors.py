"""The file of anchors: what was written stays readable, what was touched is noticed."""

import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from uuid import UUID

import pytest

from data import anchors
from data.anchors import Anchor, AnchorsUnreadable, AnchorsUnwritable

ONE = Anchor(
    seq=1, hash="ab" * 32, at=datetime(2026, 1, 1, tzinfo=UTC), hub="h\nü", database=UUID(int=1)
)


def number(seq: int) -> Anchor:
    return replace(ONE, seq=seq)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of three anchors."""
    path = tmp_path / "home" / "anchors.jsonl"
    for seq in (1, 2, 3):
        assert anchors.append(path, number(seq))
    return path


def lines(file: Path) -> list[bytes]:
    return file.read_bytes().splitlines(keepends=True)


def test_anchors_come_back_as_they_were_written(file: Path) -> None:
    read = anchors.read(file)
    assert (read.anchors, read.faults) == ((number(1), number(2), number(3)), ())
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(lines(file)) == 3


def test_what_the_last_line_says_is_not_said_again(file: Path) -> None:
    later = replace(number(3), at=datetime.now(UTC), hub="other")
    assert not anchors.append(file, later)
    assert anchors.append(file, replace(later, database=UUID(int=2)))
    assert len(lines(file)) == 4


Damage = Callable[[list[bytes]], list[bytes]]


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda old: old[1:], "1: lines before this one were removed"),
        (lambda old: [old[0], old[2]], "2: the line before was changed, or lines between"),
        (lambda old: [old[1], old[0], old[2]], "1: lines before this one were removed"),
        (
            lambda old: [old[0].replace(b'"seq": 1', b'"seq": 9'), *old[1:]],
            "2: the line before was changed, or lines between were removed",
        ),
        (lambda old: [old[0], b"garbage\n", old[2]], "2: the line was damaged after it was"),
        (lambda old: [*old, b"garbage\n"], "4: the line is no anchor"),
        (lambda old: [*old, b"\xff\n"], "4: the line is no anchor"),
        (lambda old: [*old, b"[1]\n"], "4: the line is no anchor"),
        (lambda old: [*old, b"\n", b"\n"], "4: the line is no anchor"),
        (lambda old: [*old, old[2].replace(b"ab", b"g", 1)], "4: the line is no anchor"),
    ],
)
def test_damage_is_named_by_its_line(file: Path, damage: Damage, fault: str) -> None:
    file.write_bytes(b"".join(damage(lines(file))))
    first = anchors.read(file).faults[0]
    assert first.startswith(f"{file}:{fault}")


def test_anchors_beside_the_damage_are_still_used(file: Path) -> None:
    all_lines = lines(file)
    file.write_bytes(b"".join([all_lines[0], b"garbage\n", all_lines[2]]))
    assert anchors.read(file).anchors == (number(1), number(3))


def test_a_line_that_a_crash_cut_off_is_no_damage(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])
    assert anchors.read(file) == anchors.AnchorFile(anchors=(number(1), number(2)), faults=())
    anchors.append(file, number(4))
    anchors.append(file, number(5))
    read = anchors.read(file)
    assert [anchor.seq for anchor in read.anchors] == [1, 2, 4, 5]
    assert read.faults == ()


def test_a_cut_off_line_that_is_changed_later_is_damage(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])
    anchors.append(file, number(4))
    file.write_bytes(file.read_bytes().replace(b'"seq": 3', b'"seq": 7'))
    assert anchors.read(file).faults == (f"{file}:3: the line was damaged after it was written",)


def test_what_an_address_has_collected_needs_no_chain(file: Path) -> None:
    def without_previous(line: bytes) -> bytes:
        said = json.loads(line)
        del said["previous"]
        return json.dumps(said).encode() + b"\n"

    collected = [without_previous(line) for line in lines(file)]
    file.write_bytes(b"".join(collected[1:]))
    assert anchors.read(file) == anchors.AnchorFile(anchors=(number(2), number(3)), faults=())
    file.write_bytes(b"".join([collected[0], b"garbage\n", collected[1]]))
    assert anchors.read(file).faults == (f"{file}:2: the line is no anchor",)


def test_a_line_that_lost_its_place_in_the_chain_is_damage(file: Path) -> None:
    first, second, third = lines(file)
    said = json.loads(second)
    del said["previous"]
    file.write_bytes(first + json.dumps(said).encode() + b"\n" + third)
    assert anchors.read(file).faults[0].startswith(f"{file}:2: the line before was changed")


def test_an_empty_file_is_begun(tmp_path: Path) -> None:
    path = tmp_path / "anchors"
    path.touch()
    assert anchors.read(path) == anchors.AnchorFile(anchors=(), faults=())
    anchors.append(path, ONE)
    assert anchors.read(path).anchors == (ONE,)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(AnchorsUnreadable, match="none: the anchors cannot be read: No such file"):
        anchors.read(tmp_path / "none")


def test_a_file_that_cannot_be_written_is_named_with_the_row(tmp_path: Path) -> None:
    with pytest.raises(AnchorsUnwritable, match="the anchor of row 1 was not written: Is a dir"):
        anchors.append(tmp_path, ONE)
    (tmp_path / "file").touch()
    with pytest.raises(AnchorsUnwritable, match=r"the anchor of row 1 was not written: "):
        anchors.append(tmp_path / "file" / "anchors", ONE)


def test_a_full_disk_leaves_no_half_line() -> None:
    with pytest.raises(AnchorsUnwritable, match="row 1 was not written: No space left"):
        anchors.append(Path("/dev/full"), ONE)


def test_hubs_that_share_a_file_write_one_after_the_other(tmp_path: Path) -> None:
    path = tmp_path / "anchors"
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        list(pool.map(_write_some, [path] * 4, range(1, 5)))
    read = anchors.read(path)
    assert (len(read.anchors), read.faults) == (80, ())


def _write_some(path: Path, place: int) -> None:
    for seq in range(20):
        anchors.append(path, replace(ONE, seq=seq, database=UUID(int=place)))


def test_each_line_is_json_that_others_can_read(file: Path) -> None:
    said = json.loads(lines(file)[0])
    assert said == {
        "seq": 1,
        "hash": "ab" * 32,
        "at": "2026-01-01T00:00:00+00:00",
        "hub": "h\nü",
        "database": str(UUID(int=1)),
        "previous": "0" * 64,
    }
