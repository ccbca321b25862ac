"""Text from strangers made fit to store and to show: plain, on one line, without secrets."""

import re
from typing import Final

from flows.polling.payloads.redaction import redact

_LOOKED_AT_BEYOND: Final = 4_000
_ESCAPE_SEQUENCE = re.compile(
    r"\x1b(?:\[[0-?]*+[ -/]*+[@-~]|\][^\x07\x1b]*+(?:\x07|\x1b\\)|[^\[\]]|)"
)
# Control characters, lone surrogates (no encoding takes them), and what is invisible but changes
# how text is shown or read: direction overrides, zero-width spaces, tag characters.
_UNSHOWABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_LINE_BREAK = re.compile("\r\n|[\x0b\x0c\r\x85\u2028\u2029]")


def without_controls(text: str) -> str:
    """Return the text without terminal sequences and characters that cannot be shown.

    Tabs and line breaks stay, every line break as LF.
    """
    if text.isprintable():
        return text
    if "\x1b" in text:
        text = _ESCAPE_SEQUENCE.sub("", text)
    return _UNSHOWABLE.sub("", _LINE_BREAK.sub("\n", text))


def plain_line(text: str, limit: int) -> str:
    """Return the text, redacted, on one line of at most `limit` characters.

    `⏎` stands for a line break. Of a very long text only the beginning is looked at.
    """
    looked_at = 2 * limit + _LOOKED_AT_BEYOND
    if len(text) > looked_at:
        whole_words = text[:looked_at].rpartition(" ")[0]
        text = whole_words or text[:looked_at]
    text = redact(without_controls(text))
    if "\n" in text:
        text = " ⏎ ".join(line.strip() for line in text.split("\n") if line.strip())
    text = text.replace("\t", " ").strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"
