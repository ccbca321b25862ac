"""What is wrong with a text that is no YAML, in words for the person who wrote it."""

import re
from typing import Final, cast

import yaml
from yaml.reader import Reader, ReaderError

LOADER: Final[type[yaml.SafeLoader] | type[yaml.CSafeLoader]] = getattr(
    yaml, "CSafeLoader", yaml.SafeLoader
)

_TABS: Final = "must not be indented by tabs"
_PLAINER: Final = tuple(
    (re.compile(pattern), plain)
    for pattern, plain in (
        (r"found a tab character .*", _TABS),
        (r"mapping values are not allowed .*", "has a colon too many, or is indented wrongly"),
        (r"could not find expected ':'", "lacks a colon after a key, or is indented wrongly"),
        (r"did not find expected key", "is indented wrongly, or what precedes is not closed"),
        (r"did not find expected '-' indicator", "is indented wrongly, or lacks a dash"),
        (r"did not find expected (node content|',' or .*)", "has a bracket that is not closed"),
        (r"found undefined alias.*", "has an alias (*name) without its anchor (&name)"),
        (r"found unexpected end of stream", "has a quote that is not closed"),
        (r"but found another document", "must be one document, this begins a second one"),
    )
)


def check_shape(text: str, *, most_depth: int) -> None:
    """Refuse what the parser must not be given: it would recurse until the process dies.

    Raises:
        yaml.YAMLError: a syntax error, or brackets or dashes nested deeper than `most_depth`.
    """
    if found := Reader.NON_PRINTABLE.search(text):
        raise ReaderError("", found.start(), ord(found[0]), "unicode", "")
    depth = 0
    for event in yaml.parse(text, Loader=LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > most_depth:
            raise yaml.MarkedYAMLError(
                problem=f"is nested deeper than {most_depth} levels",
                problem_mark=cast("yaml.Mark", event.start_mark),
            )


def explain(error: Exception, text: str) -> tuple[int, str]:
    """Return the line of a syntax error, from 1, and a sentence about it."""
    if isinstance(error, ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return line, f"must not hold the control character U+{error.character:04X}"
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if not isinstance(error, yaml.MarkedYAMLError) or mark is None:
        return 1, "is not valid YAML"
    lines = text.rstrip().splitlines() or [""]
    index = min(mark.line, len(lines) - 1)
    return index + 1, _sentence(error.problem or "", lines, index, mark.column)


def _sentence(problem: str, lines: list[str], index: int, column: int) -> str:
    if problem.startswith("is "):
        return problem
    if "cannot start any token" in problem:
        character = lines[index][column : column + 1]
        return _TABS if character == "\t" else f"has a bare {character}: use quotes"
    if "did not find expected key" in problem and _follows_empty_list(lines, index):
        return "must not follow []: take the [] away"
    for pattern, plain in _PLAINER:
        if pattern.fullmatch(problem):
            return plain
    return f"is not valid YAML: {problem}"


def _follows_empty_list(lines: list[str], index: int) -> bool:
    """Tell whether an item was written below `projects: []`."""
    above = (re.sub(r"(^|\s)#.*", "", line).rstrip() for line in reversed(lines[:index]))
    last = next((line for line in above if line), "")
    return lines[index].lstrip().startswith("-") and last.endswith("[]")
