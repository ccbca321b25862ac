"""Regular expressions that cannot take forever.

Python's `re` tries every way in which a pattern can fit. A pattern is refused unless the ways are
few for every text of 500 characters, the longest that rules match.
"""

import importlib
import re
import warnings
from typing import Any, Final

LONGEST_SUBJECT: Final = 500
"""Texts are cut to this many characters before a pattern is searched for in them."""

_MOST_CHARACTERS: Final = 200
_MOST_WAYS: Final = LONGEST_SUBJECT**3
_ENDLESS: Final = _MOST_WAYS**2
_parser: Any = importlib.import_module("re._parser")


def compile_pattern(text: str) -> re.Pattern[str]:
    """Return the compiled pattern, to be searched for.

    Raises:
        ValueError: it cannot be compiled, is longer than 200 characters, or could take forever.
    """
    if len(text) > _MOST_CHARACTERS:
        raise ValueError(f"must be at most {_MOST_CHARACTERS} characters, got {len(text)}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            parsed = _parser.parse(text)
        pattern = re.compile(text)
    except re.error as error:
        column = "" if error.pos is None else f" at column {error.pos + 1}"
        raise ValueError(f"must be a regular expression: {error.msg}{column}") from None
    except (Warning, OverflowError, RecursionError, ValueError) as error:
        raise ValueError(f"must be a regular expression: {error}") from None
    anchored = text.startswith(("^", r"\A"))
    if _ways(parsed) * (1 if anchored else LONGEST_SUBJECT) > _MOST_WAYS:
        raise ValueError("must not hold so many repetitions: that could take forever")
    return pattern


def _ways(parsed: Any) -> int:
    """Return in how many ways a sequence can fit at one position, at most."""
    ways = 1
    for operation, argument in parsed:
        ways = min(ways * _ways_of(str(operation), argument), _ENDLESS)
    return ways


def _ways_of(operation: str, argument: Any) -> int:
    if operation in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}:
        least, most, inner = argument
        return _ways_of_repeat(int(least), int(most), _ways(inner))
    if operation == "BRANCH":
        return sum(_ways(branch) for branch in argument[1])
    if operation == "SUBPATTERN":
        return _ways(argument[-1])
    if operation == "ATOMIC_GROUP":
        return _ways(argument)
    if operation in {"ASSERT", "ASSERT_NOT"}:
        return _ways(argument[1])
    if operation in {"GROUPREF", "GROUPREF_EXISTS"}:
        raise ValueError("must not refer back to a group")
    return 1


def _ways_of_repeat(least: int, most: int, inner: int) -> int:
    most = min(most, LONGEST_SUBJECT - 1)
    if inner > 1 and most > least + 1:
        raise ValueError(
            "must not repeat what itself repeats or has alternatives, as (a+)+ or (a|b)*:"
            " that could take forever"
        )
    ways: int = (most - least + 1) * inner ** min(most, 100)
    return min(ways, _ENDLESS)
