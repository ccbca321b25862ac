"""Regular expressions in rules end soon."""

import time

import pytest

from rules.language.patterns import LONGEST_SUBJECT, compile_pattern

SAFE = [
    "out of memory",
    "(?i)oom.?kill",
    "^worker-[0-9]+$",
    "(disk|volume) full",
    r"\b5[0-9]{2}\b",
    "a.*b.*c",
    r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}",
    "(abc|de)?f",
    "(?:ab){3}",
    "x(?!y)z",
]
ENDLESS = [
    "(a+)+$",
    "(a*)*b",
    "(a|aa)+$",
    "(a?){50}a{50}",
    "a?" * 40 + "b",
    ".*.*.*.*.*x",
    r"(\w+\s?)*$",
    "((a{1,50}){1,50}){1,50}b",
    "(?:a+){10}b",
]


@pytest.mark.parametrize("text", SAFE)
def test_a_usual_pattern_is_taken(text: str) -> None:
    assert compile_pattern(text).pattern == text


@pytest.mark.parametrize("text", SAFE)
def test_a_pattern_that_is_taken_ends_soon(text: str) -> None:
    pattern = compile_pattern(text)
    began = time.perf_counter()
    for subject in ("a" * LONGEST_SUBJECT, "ab" * (LONGEST_SUBJECT // 2), "1." * 250):
        pattern.search(subject)
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize("text", ENDLESS)
def test_a_pattern_that_could_take_forever_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="could take forever"):
        compile_pattern(text)


@pytest.mark.parametrize("text", ["(", "[a", "a**", "(?P<1>a)", "[[a]", "a{99999999999}", r"\9"])
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a regular expression"):
        compile_pattern(text)
