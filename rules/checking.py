"""Everything that is wrong with the rules of some folders, in one look."""

from collections.abc import Collection, Sequence
from pathlib import Path

from config.errors import Fault
from rules.durable_host import EngineError
from rules.engine import Engine
from rules.examples import run_examples
from rules.language.reading import book_of, read_as_far_as_right
from rules.language.references import reference_faults
from rules.rule import RuleBook


def check_rules(
    folders: Sequence[Path],
    *,
    contacts: Collection[str] | None = None,
    actions: Collection[str] | None = None,
) -> tuple[RuleBook, list[Fault]]:
    """Return the rules that are right in themselves, and every fault.

    1. What the files say. 2. The examples of the rules that could be read. 3. What these name
    that is not among the contacts and actions, where it is given which there are.
    """
    rules, faults = read_as_far_as_right(folders)
    book = book_of(rules)
    named = reference_faults(book.rules, contacts=contacts, actions=actions)
    return book, [*faults, *example_faults(book), *named]


def example_faults(book: RuleBook) -> list[Fault]:
    """Return a fault for each example that does not hold, or for rules that no engine takes."""
    try:
        engine = Engine(book)
    except EngineError as error:
        return [Fault("rules", 0, "rules", str(error))]
    try:
        return run_examples(engine)
    finally:
        engine.close()
