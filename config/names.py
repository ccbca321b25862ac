"""The words that things are called by."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator

from config.quoting import quoted

_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")
_NOT_IN_NAME: Final = re.compile(r"[^a-z0-9._-]+")
_MOST_WORD: Final = 200
_MOST_TAG: Final = 63


def _check_name(text: str) -> str:
    if _NAME.fullmatch(text):
        return text
    problem = (
        "must be 1 to 63 of a-z, 0-9, dot, dash and underscore, with a letter or digit at"
        f" both ends, got {quoted(text)}"
    )
    near = _NOT_IN_NAME.sub("-", text.lower()).strip("._-")
    raise ValueError(f"{problem}: try {near}" if _NAME.fullmatch(near) else problem)


def _check_word(text: str) -> str:
    if not text.strip() or not text.isprintable() or len(text) > _MOST_WORD:
        raise ValueError(f"must be 1 to {_MOST_WORD} printable characters, got {quoted(text)}")
    return text


def _check_tag(text: str) -> str:
    if not text or not text.isprintable() or " " in text or "," in text or len(text) > _MOST_TAG:
        raise ValueError(
            f"must be 1 to {_MOST_TAG} characters without spaces and commas, got {quoted(text)}"
        )
    return text


Name = Annotated[str, AfterValidator(_check_name)]
Word = Annotated[str, AfterValidator(_check_word)]
Tag = Annotated[str, AfterValidator(_check_tag)]
