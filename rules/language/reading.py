"""From the folders of rule files to the rules, or to every fault in them."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from config.errors import ConfigError, Fault
from config.source_text import read_text
from rules.language.rule_file import RuleFile, read_rule_file, taken_names
from rules.language.version import version_of
from rules.rule import Rule, RuleBook

SUFFIXES: Final = (".yaml", ".yml")
_MOST_RULES: Final = 1_000


class Reading(NamedTuple):
    """What became of all files: the rules that are right, one of each name, and every fault."""

    rules: tuple[Rule, ...]
    faults: tuple[Fault, ...]


def rule_files(folders: Sequence[Path]) -> tuple[Path, ...]:
    """Return the rule files of the folders and of what is below them, in a fixed order.

    Hidden files, which editors leave beside a file, are none. A file in place of a folder is
    itself one, whatever its name.
    """
    return tuple(dict.fromkeys(path for folder in folders for path in _files(folder)))


def read_rules(folders: Sequence[Path]) -> RuleBook:
    """Return the rules of all files; one file can stand for a folder.

    Raises:
        ConfigError: with every fault of every file; also for a folder that does not exist, for a
            name that two rules have, and for more than 1,000 rules.
    """
    rules, faults = read_as_far_as_right(folders)
    if faults:
        raise ConfigError(faults)
    return book_of(rules)


def read_as_far_as_right(folders: Sequence[Path]) -> Reading:
    """Return the rules of all files as `read_rules`, beside its faults instead of these alone."""
    missing = [folder for folder in folders if not folder.exists()]
    faults = [Fault(str(folder), 0, "folder", "does not exist") for folder in missing]
    files = [_read_file(path) for path in rule_files(folders)]
    names = [named for file in files for named in file.names]
    faults += [fault for file in files for fault in file.faults]
    faults += taken_names(names)
    if len(names) > _MOST_RULES:
        first = names[_MOST_RULES]
        problem = f"must be at most {_MOST_RULES:,} in all files, got {len(names):,}"
        faults.append(Fault(first.file, first.line, "rules", problem))
    by_name = {rule.name: rule for file in reversed(files) for rule in reversed(file.rules)}
    return Reading(tuple(by_name.values())[::-1], tuple(faults))


def read_rules_text(text: str, file: str) -> tuple[Rule, ...]:
    """Return the rules of a text, in its order; `file` is what faults call it.

    Raises:
        ConfigError: with every fault of the text, by line.
    """
    read = read_rule_file(text, file)
    faults = [*read.faults, *taken_names(read.names)]
    if faults:
        raise ConfigError(sorted(faults, key=lambda fault: fault.line))
    return read.rules


def book_of(rules: Iterable[Rule]) -> RuleBook:
    """Return the rules in the order in which they are asked, and their version."""
    ordered = tuple(sorted(rules, key=lambda rule: (rule.priority, rule.name)))
    return RuleBook(rules=ordered, version=version_of(ordered))


def _files(folder: Path) -> Iterable[Path]:
    if folder.is_dir():
        return filter(_is_rule_file, sorted(folder.rglob("*")))
    return [folder] if folder.exists() else []


def _is_rule_file(path: Path) -> bool:
    return path.suffix in SUFFIXES and not path.name.startswith(".") and not path.is_dir()


def _read_file(path: Path) -> RuleFile:
    try:
        return read_rule_file(read_text(path), str(path))
    except ConfigError as error:
        return RuleFile((), (), error.faults)
