"""The canary with an engine that does to rules of certain names what it must never do."""

import ctypes
import time
from collections.abc import Iterator

from config.errors import Fault
from rules import canary
from rules.engine import Engine
from rules.examples import examples_of
from rules.rule import Rule


def _doomed(engine: Engine, rule: Rule) -> Iterator[Fault]:
    if rule.name == "segfault":
        ctypes.string_at(0)
    if rule.name == "hang":
        time.sleep(60)
    if rule.name == "glutton":
        bytearray(2 * canary.MOST_MEMORY_BYTES)
    yield from examples_of(engine, rule)


if __name__ == "__main__":
    canary.examples_of = _doomed  # type: ignore[attr-defined]
    canary.main()
