"""Where the rules of this installation are, and what is wrong with them."""

from collections.abc import Sequence
from pathlib import Path

from config.contacts import unknown_contacts
from config.errors import ConfigError, Fault
from config.hub_file import HubSettings
from config.settings import Settings
from config.source_text import read_text
from config.yaml_source import parse_yaml
from rules.language.reading import book_of, read_rules, rule_files
from rules.language.rule_file import read_rule_file, taken_names
from rules.rule import RuleBook


def read_places(places: Sequence[Path], settings: Settings) -> RuleBook:
    """Return the rules of files and folders; those of the hubs where none is given.

    Raises:
        ConfigError: with every fault of every file; also for a place that does not exist.
    """
    if not places:
        return read_rules(settings.rule_folders)
    missing = [
        Fault(str(place), 0, "file", "does not exist") for place in places if not place.exists()
    ]
    folders = [place for place in places if place.is_dir()]
    single = [place for place in places if place.is_file()]
    files = [
        read_rule_file(read_text(path), str(path))
        for path in dict.fromkeys([*single, *rule_files(folders)])
    ]
    faults = [*missing, *(fault for file in files for fault in file.faults)]
    faults += taken_names([named for file in files for named in file.names])
    if faults:
        raise ConfigError(faults)
    return book_of(rule for file in files for rule in file.rules)


def unknown_in_rules(book: RuleBook, hub: HubSettings) -> list[Fault]:
    """Return a fault for each step of a rule's chain that tells nobody known."""
    return [
        Fault(rule.file, rule.line, f"rules.{rule.name}.escalate[{position}].notify", problem)
        for rule in book.rules
        for position, problem in unknown_contacts(rule.escalate, hub.contacts)
    ]


def unknown_in_hub(path: Path, hub: HubSettings) -> list[Fault]:
    """Return a fault for each step of the hub file's chain that tells nobody known."""
    wrong = unknown_contacts(hub.healing.escalate, hub.contacts)
    if not wrong:
        return []
    document = parse_yaml(read_text(path), str(path))
    return [
        document.fault(("healing", "escalate", position, "notify"), problem)
        for position, problem in wrong
    ]
