import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import ConfigError
from config.projects_file import read_projects, read_projects_text
from config.source_text import MOST_BYTES
from config.yaml_source import parse_yaml


def _refused(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        read_projects(path)
    return str(caught.value).removeprefix(str(path))


def test_a_file_that_is_missing_is_a_fault(tmp_path: Path) -> None:
    assert _refused(tmp_path / "projects.yaml") == ": file: does not exist"


def test_a_directory_is_a_fault(tmp_path: Path) -> None:
    assert _refused(tmp_path) == ": file: must be a file, this is a directory"


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert _refused(tmp_path / "pipe") == ": file: must be a regular file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "projects.yaml"
    path.touch(mode=0o000)
    assert _refused(path) == ": file: cannot be read: Permission denied"


def test_a_path_through_a_file_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert (
        _refused(tmp_path / "file" / "projects.yaml") == ": file: cannot be read: Not a directory"
    )


def test_a_file_over_one_megabyte_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "projects.yaml"
    path.write_bytes(b"#" * (MOST_BYTES + 1))
    assert _refused(path) == ": file: must be at most 1,000,000 bytes"


def test_a_text_over_one_megabyte_is_not_parsed() -> None:
    with pytest.raises(ConfigError, match="must be at most 1,000,000 characters"):
        parse_yaml("#" * (MOST_BYTES + 1), "f")


def test_a_file_that_is_not_utf_8_is_told_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "projects.yaml"
    path.write_bytes("projects: []\n# Überwacht\n".encode("latin-1"))
    assert _refused(path) == ":2: file: must be UTF-8, the byte 0xdc is not"


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "projects.yaml"
    path.write_text("projects: []\n", encoding="utf-8-sig")
    assert read_projects(path) == ()


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_nesting_without_end_does_not_kill_the_process(opening: str) -> None:
    with pytest.raises(ConfigError, match="is nested deeper than 50 levels"):
        parse_yaml("a: " + opening * 100_000 if opening in "[{a: " else opening * 100_000, "f")


def test_chained_aliases_do_not_nest_without_end() -> None:
    text = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 5000))
    with pytest.raises(ConfigError, match="or 50 levels by its aliases"):
        parse_yaml(text, "f")


def test_an_alias_may_share_a_few_lines() -> None:
    document = parse_yaml("a: &a {b: 1}\nc: *a\n", "f")
    assert document.value == {"a": {"b": 1}, "c": {"b": 1}}


def test_every_key_and_item_has_its_line() -> None:
    document = parse_yaml("a:\n  b: 1\n  c:\n    - x\n    - name: y\n      z: 2\n", "f")
    places = [("a",), ("a", "b"), ("a", "c"), ("a", "c", 0), ("a", "c", 1, "z")]
    assert [document.line(place) for place in places] == [1, 2, 3, 4, 6]


def test_what_is_missing_has_the_line_of_its_parent() -> None:
    assert parse_yaml("x: 1\na:\n  b: 1\n", "f").line(("a", "d", "e")) == 2


def test_an_item_with_a_name_is_called_by_it() -> None:
    document = parse_yaml("a:\n  - name: y\n    z: [1]\n  - 5\n", "f")
    assert document.field(("a", 0, "z", 0)) == "a.y.z[0]"
    assert document.field(("a", 1)) == "a[1]"


def test_a_key_cannot_write_lines_of_its_own_into_a_message() -> None:
    with pytest.raises(ConfigError) as caught:
        read_projects_text('projects: []\n"a\\nf:1: b: \\e[31m": 1\n', "f")
    assert str(caught.value).isprintable()


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*!|>'\"%@#?,. 019\n\t\0~<="), max_size=60))
def test_no_text_makes_the_parser_fail_otherwise(text: str) -> None:
    with suppress(ConfigError):
        assert isinstance(parse_yaml(text, "f").value, dict)
