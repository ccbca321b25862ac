"""Where the rules of this installation are, and whom they may tell."""

from collections.abc import Collection, Sequence
from pathlib import Path

from config.errors import ConfigError, Fault
from config.hub_file import read_hub
from config.settings import Settings
from config.source_text import read_text
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


def known_contacts(settings: Settings) -> Collection[str] | None:
    """Return the contacts of the hub file, None where there is none, or one with faults."""
    try:
        return read_hub(settings.hub_file).contacts
    except ConfigError:
        return None
