"""Rules tried out in a process of their own, which the engine may crash without harm.

    python -m rules.canary FOLDER…

Each line printed is a JSON object: `trying` names what comes next, the last one has the `version`
of the rules and their `faults`. With `-` for the folders they are read from the first line of the
standard input, as a JSON list, so that the process can be started before they are known.
"""

import json
import resource
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from config.errors import ConfigError, Fault
from rules.durable_host import EngineError
from rules.engine import Engine
from rules.examples import examples_of
from rules.facts import FACT_FIELDS, SIGNAL_FIELDS, Fact, FieldKind, FieldValue, Signal
from rules.language.reading import read_rules
from rules.policy import Standing
from rules.rule import Rule, RuleBook

MOST_MEMORY_BYTES: Final = 2 * 1024**3
MOST_CPU_S: Final = 60
_NOW: Final = datetime(2026, 1, 7, 12, tzinfo=UTC)
_ANYTHING: Final[dict[FieldKind, FieldValue]] = {
    "text": "anything",
    "number": 1.0,
    "flag": True,
    "tags": ("anything",),
}


def main() -> None:
    _limit_resources()
    given = sys.argv[1:]
    folders = json.loads(sys.stdin.readline() or "[]") if given == ["-"] else given
    version, faults = try_out([Path(folder) for folder in folders], _tell_trying)
    _tell(version=version, faults=[asdict(fault) for fault in faults])


def try_out(
    folders: Sequence[Path], trying: Callable[[str], None]
) -> tuple[str | None, list[Fault]]:
    """Read, compile, run every example and ask something of every rule.

    Return the version, None when the files have faults, and all faults. `trying` is told what is
    tried next, so that whoever watches knows what it was when the process is gone.
    """
    trying("the files")
    try:
        book = read_rules(folders)
    except ConfigError as error:
        return None, list(error.faults)
    return book.version, _faults_of(book, trying)


def _faults_of(book: RuleBook, trying: Callable[[str], None]) -> list[Fault]:
    trying("all rules together")
    try:
        engine = Engine(book)
    except EngineError as error:
        return [Fault("rules", 0, "rules", str(error))]
    faults = []
    for rule in book.rules:
        if rule.mode != "off":
            trying(f"rule {rule.name}, {rule.file}:{rule.line}")
            faults += [*examples_of(engine, rule), *_smoke(engine, rule)]
    engine.close()
    return faults


def _smoke(engine: Engine, rule: Rule) -> list[Fault]:
    """Ask about an incident of the rule's kind with facts beside it; any answer will do."""
    kind = rule.when.kinds[0] if rule.when.kinds else "anything"
    fields = {name: _ANYTHING[what] for name, what in SIGNAL_FIELDS.items()}
    facts = [
        Fact(
            type=join.fact,
            at=_NOW,
            fields={name: _ANYTHING[what] for name, what in FACT_FIELDS[join.fact].items()},
        )
        for join in rule.joins
    ]
    try:
        engine.match(Signal(at=_NOW, fields={**fields, "kind": kind}), facts)
        engine.decide([Standing(rule=rule.name)])
    except EngineError as error:
        return [Fault(rule.file, rule.line, f"rules.{rule.name}", str(error))]
    return []


def _limit_resources() -> None:
    """Have the system stop what runs away, also when nobody waits for this process any more."""
    for limit, most in (
        (resource.RLIMIT_AS, MOST_MEMORY_BYTES),
        (resource.RLIMIT_CPU, MOST_CPU_S),
    ):
        with suppress(ValueError, OSError):
            resource.setrlimit(limit, (most, most))


def _tell_trying(what: str) -> None:
    _tell(trying=what)


def _tell(**what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
