"""Secrets taken out of text before it is kept, shown or sent anywhere.

A secret becomes `[redacted:KIND:xxxxxx]`: 6 hexadecimal digits of its HMAC-SHA256, so that equal
secrets stay equal. The key is random for each process; `use_key` sets a lasting one, with which
text from before and after a restart can be compared.

Every pattern starts at a word it looks for and takes what follows without going back, so the
time is linear in the text, whoever wrote it. Redacting twice changes nothing.
"""

import hmac
import re
from collections.abc import Callable
from functools import partial
from itertools import chain
from secrets import token_bytes
from typing import Final, NamedTuple

_DIGEST_BYTES: Final = 3
_PLACEHOLDER: Final = r"\[redacted:[a-z_]++:[0-9a-f]{6}\]"
_ONLY_PLACEHOLDER: Final = re.compile(_PLACEHOLDER)
_NO_SECRETS: Final = frozenset({"null", "none", "nil", "true", "false", "undefined", "redacted"})
_MASKS: Final = frozenset("*•.xX-_")
_LONGEST_NAME: Final = 100
_LONGEST_WORD: Final = 24

_SEPARATOR = r"""(?:\\*+["'])?+[ \t]*+(?:=>|:=|[:=])[ \t]*+"""
_NAME = r"""(?P<name>[aAeEpPsStT](?<!\[redacted:.)
              (?i: (?<=p)ass(?:word|wd|phrase) | (?<=p)wd | (?<=t)oken | (?<=s)ecret(?:[_-]?key)?+
                 | (?:(?<=a)pi|(?<=a)ccess|(?<=p)rivate|(?<=s)igning|(?<=e)ncryption)[_-]?key ))"""
_QUOTED = r"""(?: "((?:[^"\\]++|\\.)*+)
                | '((?:[^'\\]++|\\.)*+)
                | (?P<depth>\\++)(?P<mark>["'])
                  ((?: [^"\\\n]++ | (?:(?P=depth){2}\\\\)++
                     | (?!(?P=depth)(?P=mark))\\++["']?+ )*+) )"""
_BARE = rf"""((?:{_PLACEHOLDER} | [^\s"'\\`,;&|<>(){{}}\[\]] | \\++(?!["'\\]))++)"""
_VALUE = rf"(?: {_QUOTED} | {_BARE} )"


class _Rule(NamedTuple):
    """What to look for; a text without one of the triggers, in lower case, has none of it.

    The secret is the group that closes last; a match without a group is to be left alone.
    Without a kind, the group `name` tells it. A pattern starts with a character or a class of
    them, and looks behind only then: that is what lets the search skip through the text.
    """

    kind: str | None
    triggers: tuple[str, ...]
    pattern: re.Pattern[str]


def _rule(kind: str | None, triggers: str, pattern: str) -> _Rule:
    return _Rule(kind, tuple(triggers.split()), re.compile(pattern, re.ASCII | re.X | re.DOTALL))


_UNMISTAKABLE: Final = (
    _rule(
        "private_key",
        "--",
        r"""(-----BEGIN\ [A-Z0-9 ]{0,40}?PRIVATE\ KEY(?:\ BLOCK)?-----
             .*?(?:-----END\ [A-Z0-9 ]{0,60}+-----|\Z))""",
    ),
    _rule("aws", "akia asia", r"(A(?<![A-Za-z0-9].)(?:KIA|SIA)[A-Z0-9]{16})(?![A-Za-z0-9])"),
    _rule(
        "github",
        "_",
        r"(g(?<![A-Za-z0-9].)(?:h[pousr]|ithub_pat)_[A-Za-z0-9_]{20,}+)",
    ),
    _rule("slack", "xox xapp-", r"(x(?<![A-Za-z0-9].)(?:ox[a-z]|app)-[A-Za-z0-9-]{8,}+)"),
    _rule("stripe", "_", r"([sr](?<![A-Za-z0-9].)k_(?:live|test)_[A-Za-z0-9]{8,}+)"),
    _rule("api_key", "sk-", r"(sk-(?<![\w-]...)(?=[A-Za-z_-]*+[0-9])[\w-]{16,}+)"),
    _rule("google", "aiza", r"(AIza(?<![\w-]....)[\w-]{35,}+)"),
    _rule("telegram", ":aa", r"([0-9](?<![0-9].)[0-9]{7,9}:AA[\w-]{32,}+)"),
    _rule("jwt", "eyj", r"(eyJ(?<![\w-]...)[\w-]{5,}+\.[\w-]{5,}+(?:\.[\w-]++){0,3}+)"),
    _rule("url", "://", r"""://[^\s/?\#:@"'<>\[\]]*+:([^\s/?\#"'<>]+)@"""),
)

_ANNOUNCED: Final = (
    _rule(
        "authorization",
        "authorization",
        rf"""[aA](?<!\[redacted:.)(?i:uthorization{_SEPARATOR}(?:\\*+["'])?+
             (?: (?:digest|aws4-hmac-sha256|hawk|oauth|signature)[ \t]++([^\n]++)
               | (?:bearer|basic|token|negotiate|apikey|bot)[ \t]++([^\s"'\\,;]++)
               | {_PLACEHOLDER}(?![^\s"'\\,;])
               | ([^\s"'\\,;]++(?:[ \t]++[^\s"'\\,;]{{16,}}+)?+) ))""",
    ),
    _rule("bearer", "bearer", r"[bB](?<![A-Za-z0-9_].)(?i:earer)[ \t]++([\w.~+/=-]{8,}+)"),
    _rule("basic", "basic", r"[bB](?<![A-Za-z0-9_].)(?i:asic)[ \t]++([\w+/=-]{8,}+)"),
    _rule(
        "cookie",
        "cookie",
        rf"""[cC](?<!\[redacted:.)(?i:ookie){_SEPARATOR}
             (?: {_QUOTED} | ((?:[^\n"']|(?<==)["'][^\n"']*+["'])++) )""",
    ),
    _rule(
        None,
        "pass pwd secret token key",
        rf"{_NAME}(?i:[_-]?(?:hash|value|text))?+{_SEPARATOR}{_VALUE}",
    ),
    _rule(
        None,
        "--",
        rf"--(?<![\w-]..)[a-z-]{{0,30}}?{_NAME}[ \t]++(?!-){_VALUE}",
    ),
)

_SECRET_NAME: Final = re.compile(
    rf"(?:{_NAME}|(?i:authorization|cookie))(?i:[_-]?(?:hash|value|text))?\Z", re.ASCII | re.X
)
_CARD: Final = re.compile(
    r"""[2-6](?<![\w.-].)(?: [0-9]{12,18}+
          | [0-9]{3}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?:\1[0-9]{3})?
          | [0-9]{3}([ -])[0-9]{6}\2[0-9]{4,5}+ )(?![\w-]|\.[0-9])""",
    re.ASCII | re.X,
)
_CARD_NUMBER: Final = re.compile(
    r"""4(?:[0-9]{12}|[0-9]{15}|[0-9]{18}) | 5[0-8][0-9]{14} | 2[2-7][0-9]{14}
      | 3[47][0-9]{13} | 3[0689][0-9]{12} | 35[0-9]{14} | 6[0-9]{15} | 62[0-9]{15,17}""",
    re.X,
)

_RULES: Final = _UNMISTAKABLE + _ANNOUNCED


def _by_trigger(rules: tuple[_Rule, ...]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    triggers = dict.fromkeys(trigger for rule in rules for trigger in rule.triggers)
    return tuple(
        (trigger, tuple(i for i, rule in enumerate(rules) if trigger in rule.triggers))
        for trigger in triggers
    )


_TRIGGERS: Final = _by_trigger(_RULES)
_UNMISTAKABLE_TRIGGERS: Final = _by_trigger(_UNMISTAKABLE)


class Redactor:
    """Redacts under one key."""

    def __init__(self, key: bytes | None = None) -> None:
        self.key = key or token_bytes(32)

    def redact(self, text: str) -> str:
        """Return the text without its secrets; e-mail addresses stay."""
        lowered = text.lower()
        if due := [rules for trigger, rules in _TRIGGERS if trigger in lowered]:
            text = self._apply(due, text)
        return _CARD.sub(self._hide_card, text) if _CARD.search(text) else text

    def redact_unmistakable(self, text: str) -> str:
        """Return the text without what can be nothing but a secret, whatever stands before it."""
        lowered = text.lower()
        due = [rules for trigger, rules in _UNMISTAKABLE_TRIGGERS if trigger in lowered]
        return self._apply(due, text) if due else text

    def hide(self, value: str) -> str:
        """Return the placeholder of a value that is a secret because of its name."""
        return value if _is_no_secret(None, value) else self._placeholder("secret", value)

    def _apply(self, due: list[tuple[int, ...]], text: str) -> str:
        for index in sorted(set(chain.from_iterable(due))):
            rule = _RULES[index]
            text = rule.pattern.sub(partial(self._hide, rule.kind), text)
        return text

    def _hide(self, kind: str | None, match: re.Match[str]) -> str:
        whole, group = match[0], match.lastindex
        if group is None or _is_no_secret(kind, match[group]):
            return whole
        start, end = (position - match.start() for position in match.span(group))
        hidden = self._placeholder(kind or _kind_of(match["name"]), match[group])
        return whole[:start] + hidden + whole[end:]

    def _hide_card(self, match: re.Match[str]) -> str:
        digits = match[0].replace(" ", "").replace("-", "")
        if not _CARD_NUMBER.fullmatch(digits) or not _passes_luhn(digits):
            return match[0]
        return self._placeholder("card", digits)

    def _placeholder(self, kind: str, secret: str) -> str:
        message = secret.encode(errors="backslashreplace")
        digest = hmac.digest(self.key, message, "sha256")
        return f"[redacted:{kind}:{digest[:_DIGEST_BYTES].hex()}]"


_shared: Final = Redactor()
redact: Final[Callable[[str], str]] = _shared.redact
hide: Final[Callable[[str], str]] = _shared.hide
redact_unmistakable: Final[Callable[[str], str]] = _shared.redact_unmistakable


def use_key(key: bytes) -> None:
    """Redact under this key from now on, in the whole process."""
    _shared.key = key


def names_secret(name: str) -> bool:
    """Tell whether a value under this name is a secret: `DB_PASSWORD` is, `tokens_used` not."""
    return _SECRET_NAME.search(name[-_LONGEST_NAME:]) is not None


def _is_no_secret(kind: str | None, found: str) -> bool:
    if _ONLY_PLACEHOLDER.fullmatch(found) or _MASKS.issuperset(found):
        return True
    if kind in {"bearer", "basic"}:
        return found.isalpha() and found[1:].islower() and len(found) < _LONGEST_WORD
    return kind is None and found.lower() in _NO_SECRETS


def _kind_of(name: str) -> str:
    name = name.lower().replace("-", "_")
    if name.startswith("p") and not name.startswith("private"):
        return "password"
    if name.startswith("secret"):
        return "secret"
    return name if name == "token" or "_" in name else name.replace("key", "_key")


def _passes_luhn(digits: str) -> bool:
    doubled = [sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2]]
    return (sum(doubled) + sum(map(int, digits[-1::-2]))) % 10 == 0
