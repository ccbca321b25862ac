"""YAML that remembers where everything was written."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode

from config.errors import ConfigError, Fault
from config.quoting import is_secret, plain, quoted
from config.source_text import MOST_BYTES
from config.yaml_scalars import read_scalar, unknown_tag
from config.yaml_syntax import LOADER, check_shape, explain

Steps = tuple[str | int, ...]
"""The keys and indexes that lead to a value."""

MOST_VALUES: Final = 200_000
_MOST_DEPTH: Final = 50
_MOST_NAME: Final = 63
_COLLECTIONS: Final = frozenset({"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})


@dataclass(frozen=True, slots=True)
class Document:
    """What a file or a mapping says, and in which line it says it.

    `written` holds the scalars without quotes as they stand in the file: `no` where the value is
    False. `faults` are those that did not keep the rest from being read.
    """

    file: str
    value: Any
    lines: Mapping[Steps, int]
    written: Mapping[Steps, str]
    faults: tuple[Fault, ...] = ()

    def reach(self, steps: Steps) -> int:
        """Return how many of the steps lead to something that is there."""
        return sum(1 for _ in _walk(self.value, steps)) - 1

    def line(self, steps: Steps) -> int:
        """Return the line of a key or item, else that of what surrounds it; 0 without lines."""
        nearest = (steps[:count] for count in range(len(steps), -1, -1))
        return next((self.lines[some] for some in nearest if some in self.lines), 0)

    def field(self, steps: Steps) -> str:
        """Return the dotted path; an item of a list that has a name is called by it."""
        text = ""
        values = list(_walk(self.value, steps))
        for position, step in enumerate(steps, 1):
            name = _name_of(values[position]) if position < len(values) else None
            if isinstance(step, int) and name is None:
                text += f"[{step}]"
            else:
                text += f".{name if isinstance(step, int) else plain(step)}"
        return text.removeprefix(".") or "file"

    def fault(self, steps: Steps, problem: str) -> Fault:
        """Return the fault that says what is wrong at a place."""
        return Fault(self.file, self.line(steps), self.field(steps), problem)


def parse_yaml(text: str, file: str) -> Document:
    """Return what a text says, with the faults that leave the rest of it readable.

    Keys that are given twice, keys that are no text and the number traps of YAML 1.1 are such.

    Raises:
        ConfigError: nothing can be made of it: a syntax error, an empty text, one that is no
            mapping, too large, too deep, or grows beyond 200,000 values through its aliases.
    """
    if len(text) > MOST_BYTES:
        raise ConfigError([Fault(file, 0, "file", f"must be at most {MOST_BYTES:,} characters")])
    try:
        check_shape(text, most_depth=_MOST_DEPTH)
        root = yaml.compose(text, Loader=LOADER)
    except (yaml.YAMLError, UnicodeError) as error:
        line, problem = explain(error, text)
        raise ConfigError([Fault(file, line, "yaml", problem)]) from None
    if root is None or root.tag == "tag:yaml.org,2002:null":
        raise ConfigError([Fault(file, 1, "file", "must not be empty")])
    if not isinstance(root, MappingNode):
        raise ConfigError([Fault(file, 1, "file", "must be a mapping, with keys such as `key: …`")])
    return _Reading(file).finish(root)


class _Reading:
    """One walk through the nodes of a text."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._lines: dict[Steps, int] = {}
        self._written: dict[Steps, str] = {}
        self._problems: list[tuple[Steps, int, str]] = []
        self._count = 0

    def finish(self, root: MappingNode) -> Document:
        value = self._read(root, ())
        document = Document(self._file, value, self._lines, self._written)
        faults = tuple(
            Fault(self._file, line, document.field(steps), problem)
            for steps, line, problem in self._problems
        )
        return Document(self._file, value, self._lines, self._written, faults)

    def _read(self, node: Node, steps: Steps) -> Any:
        line = node.start_mark.line + 1
        self._lines.setdefault(steps, line)
        self._count += 1
        if self._count > MOST_VALUES or len(steps) > _MOST_DEPTH:
            problem = f"grows beyond {MOST_VALUES:,} values or {_MOST_DEPTH} levels by its aliases"
            raise ConfigError([Fault(self._file, line, "yaml", problem)])
        if isinstance(node, ScalarNode):
            return self._read_scalar(node, steps)
        if node.tag not in _COLLECTIONS:
            self._problems.append((steps, line, unknown_tag(node)))
        if isinstance(node, MappingNode):
            return self._read_mapping(node, steps)
        return [self._read(item, (*steps, index)) for index, item in enumerate(node.value)]

    def _read_mapping(self, node: MappingNode, steps: Steps) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key, problem = _read_key(key_node)
            here = (*steps, key)
            if problem:
                self._problems.append((here, line, problem))
            elif key in mapping:
                first = self._lines[here]
                self._problems.append((here, line, f"is given twice, first in line {first}"))
                continue
            self._lines.setdefault(here, line)
            mapping[key] = self._read(value_node, here)
        return mapping

    def _read_scalar(self, node: ScalarNode, steps: Steps) -> Any:
        value, problem = read_scalar(node)
        if problem:
            if is_secret(steps) and node.value in problem:
                problem = "is not text the way it is written: put it in quotes"
            self._problems.append((steps, self._lines[steps], problem))
        if not node.style:
            self._written[steps] = node.value
        return value


def _read_key(node: Node) -> tuple[str, str | None]:
    if not isinstance(node, ScalarNode):
        return "?", "must be a plain key, got a list or mapping as a key"
    if node.tag == "tag:yaml.org,2002:merge":
        return node.value, "is not understood: write the fields out, or under defaults"
    value, problem = read_scalar(node)
    if problem or not isinstance(value, str):
        return node.value, f"must be a text as key: write {quoted(node.value)} in quotes"
    return value, None


def _walk(value: Any, steps: Steps) -> Iterator[Any]:
    """Yield the value and what each step leads to, as far as they lead."""
    yield value
    for step in steps:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return
        yield value


def _name_of(value: Any) -> str | None:
    name = value.get("name") if isinstance(value, dict) else None
    if isinstance(name, str) and name.isprintable() and 0 < len(name) <= _MOST_NAME:
        return name
    return None
