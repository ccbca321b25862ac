from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.secret_values import SecretMissing, names, resolve


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("plain", "plain"),
        ("Bearer ${TOKEN}", "Bearer s3cret"),
        ("${USER_}:${TOKEN}", "ann:s3cret"),
        ("${OTHER:-none}", "none"),
        ("${OTHER:-}", ""),
        ("${EMPTY:-none}", "none"),
        ("${TOKEN:-none}", "s3cret"),
        ("$$5 $${TOKEN}", "$5 ${TOKEN}"),
    ],
)
def test_a_template_is_filled_in(template: str, value: str) -> None:
    assert resolve(template, {"TOKEN": "s3cret", "USER_": "ann", "EMPTY": ""}) == value


def test_a_secret_is_read_from_the_file_that_its_variable_names(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("s3cret\n", encoding="utf-8")
    assert resolve("Bearer ${TOKEN}", {"TOKEN_FILE": str(file)}) == "Bearer s3cret"


def test_the_variable_wins_over_its_file() -> None:
    assert resolve("${TOKEN}", {"TOKEN": "here", "TOKEN_FILE": "/nowhere"}) == "here"


@pytest.mark.parametrize("environ", [{}, {"TOKEN": ""}, {"TOKEN_FILE": ""}])
def test_a_secret_that_is_not_set_is_named(environ: dict[str, str]) -> None:
    with pytest.raises(SecretMissing, match="neither TOKEN nor TOKEN_FILE is set") as caught:
        resolve("Bearer ${TOKEN}", environ)
    assert caught.value.name == "TOKEN"


def test_an_empty_file_holds_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("\n", encoding="utf-8")
    with pytest.raises(SecretMissing):
        resolve("${TOKEN}", {"TOKEN_FILE": str(file)})


@pytest.mark.parametrize("content", [b"x" * 70_000, b"\xff\xfe"])
def test_a_file_that_holds_no_secret_text_cannot_be_read(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    with pytest.raises(OSError, match="token"):
        resolve("${TOKEN}", {"TOKEN_FILE": str(file)})


@given(st.text())
def test_what_is_filled_in_is_not_read_again(value: str) -> None:
    assert resolve("<${A:-}>", {"A": value}) == f"<{value}>"


def test_the_variables_that_must_be_set_are_named_once_each() -> None:
    assert names("${B} ${A} ${B} ${C:-x} $${D}") == ("B", "A")


@pytest.mark.parametrize("template", ["${", "${}", "${1X}", "${A B}", "${A:x}", "$A", "a$", "${A"])
def test_a_malformed_template_is_refused_with_the_place(template: str) -> None:
    column = template.index("$") + 1
    for read in (names, lambda text: resolve(text, {"A": "a"})):
        with pytest.raises(ValueError, match=rf"the \$ at character {column}"):
            read(template)
