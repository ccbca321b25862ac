"""Decisions per second of the rule engine, beside plain Python that means the same.

    uv run python -m benchmarks.rules [--seconds 3] [--rules 10,100,500]

A decision is one incident with five facts beside it: all rules are matched, and the policy is
asked about every match. Both sides get the same incidents in the same run and must agree on each.
Compiling is from rules that have been read; a reload is from saving a file to the new rules being
in force, read, tried in a process of their own, compiled and exchanged.
"""

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from rules.engine import Engine
from rules.facts import Fact, Signal
from rules.language.reading import read_rules
from rules.live_rules import LiveRules, RuleChange
from rules.policy import Standing, Verdict
from rules.rule import RuleBook
from tests.rules import oracle

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KINDS = ("cpu", "memory", "down", "degraded", "latency", "error_rate", "disk", "queue")
PROJECTS = ("shop", "mailer", "search", "billing")
MOST_RULES_PER_FILE = 100
RELOADS = 3

Situation = tuple[Signal, Sequence[Fact]]
Decide = Callable[[Signal, Sequence[Fact]], Verdict]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one number of rules came to; times of one decision are in microseconds."""

    rules: int
    per_s: float
    p50_us: float
    p99_us: float
    oracle_per_s: float
    oracle_p50_us: float
    oracle_p99_us: float
    compile_ms: float
    reload_ms: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each measurement")
    parser.add_argument("--rules", default="10,100,500", help="how many rules")
    given = parser.parse_args()
    rows = []
    for count in map(int, given.rules.split(",")):
        with tempfile.TemporaryDirectory(prefix="opslore-bench-") as folder:
            rows.append(measure(Path(folder), count, given.seconds))
    show(rows)


def measure(folder: Path, count: int, seconds: float) -> Row:
    """Write rules, read them, and ask the engine and the oracle about the same incidents."""
    write_rules(folder, count)
    book = read_rules([folder])
    situations = list(make_situations(random.Random(count), 1_000))
    compile_ms = min(_compile_ms(book) for _ in range(3))
    with closing(Engine(book)) as engine:
        for situation in situations:
            assert by_engine(engine)(*situation) == by_oracle(book)(*situation)
        own = time_each(by_engine(engine), situations, seconds)
    other = time_each(by_oracle(book), situations, seconds)
    return Row(
        rules=count,
        per_s=len(own) / sum(own),
        p50_us=_percentile(own, 50) * 1e6,
        p99_us=_percentile(own, 99) * 1e6,
        oracle_per_s=len(other) / sum(other),
        oracle_p50_us=_percentile(other, 50) * 1e6,
        oracle_p99_us=_percentile(other, 99) * 1e6,
        compile_ms=compile_ms,
        reload_ms=asyncio.run(reload_ms(folder)),
    )


def by_engine(engine: Engine) -> Decide:
    def decide(signal: Signal, facts: Sequence[Fact]) -> Verdict:
        matches = engine.match(signal, facts)
        return engine.decide([Standing(rule=match.rule.name) for match in matches])

    return decide


def by_oracle(book: RuleBook) -> Decide:
    def decide(signal: Signal, facts: Sequence[Fact]) -> Verdict:
        matches = oracle.match(book, signal, facts)
        return oracle.decide([Standing(rule=name) for name, _ in matches])

    return decide


def time_each(decide: Decide, situations: Sequence[Situation], seconds: float) -> list[float]:
    """Return how long each decision took, in seconds, round after round until the time is over."""
    took: list[float] = []
    ends_at = time.perf_counter() + seconds
    while time.perf_counter() < ends_at:
        for signal, facts in situations:
            started = time.perf_counter()
            decide(signal, facts)
            took.append(time.perf_counter() - started)
            if started > ends_at:
                break
    return took


async def reload_ms(folder: Path) -> float:
    """Return the median time from an edit to its effect."""
    live = LiveRules([folder])
    live.load()
    changes: asyncio.Queue[RuleChange] = asyncio.Queue()
    following = asyncio.create_task(live.follow(changes.put))
    took = []
    for number in range(RELOADS):
        await asyncio.sleep(0.1 * number)
        started = time.perf_counter()
        _write(folder / "edited.yaml", [_rule(10_000 + number)])
        change = await changes.get()
        took.append(time.perf_counter() - started)
        assert change.accepted
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following
    return statistics.median(took) * 1e3


def write_rules(folder: Path, count: int) -> None:
    numbers = list(range(count))
    for start in range(0, count, MOST_RULES_PER_FILE):
        these = numbers[start : start + MOST_RULES_PER_FILE]
        _write(folder / f"rules{start}.yaml", [_rule(number) for number in these])


def _write(file: Path, rules: Sequence[dict[str, object]]) -> None:
    file.write_text(yaml.safe_dump({"rules": list(rules)}, sort_keys=False))


def _rule(number: int) -> dict[str, object]:
    """Return a rule like those people write: a limit, an exception, some with facts or a sum."""
    rule: dict[str, object] = {
        "name": f"rule-{number}",
        "priority": number % 1_000,
        "when": {"kind": KINDS[number % len(KINDS)], "value": {"gte": 50 + number % 50}},
        "unless": [{"direction": "below"}, {"project": {"glob": f"{PROJECTS[number % 4]}*"}}],
        "then": {"action": "restart"},
        "examples": [{"given": {"kind": "none"}, "expect": "no_match"}],
    }
    if number % 3 == 0:
        action = {"fact": "action", "same": ["project"], "when": {"action": "restart"}}
        rule["absent"] = [{**action, "within": "10m", "min": 2}]
    if number % 5 == 0:
        rule["any"] = [{"value": {"gt": "= baseline * 1.5 + 5"}}, {"severity": "critical"}]
    return rule


def make_situations(chance: random.Random, count: int) -> Iterator[Situation]:
    """Yield incidents with five actions of the last half hour beside each."""
    for _ in range(count):
        fields = {
            "kind": chance.choice(KINDS),
            "project": chance.choice(PROJECTS),
            "severity": chance.choice(("warning", "critical")),
            "direction": chance.choice(("above", "above", "below")),
            "value": chance.uniform(0, 100),
            "baseline": chance.uniform(0, 60),
            "tags": ("web", "prod"),
        }
        facts = [
            Fact(
                type="action",
                at=NOW - timedelta(seconds=chance.uniform(0, 1_800)),
                fields={
                    "project": chance.choice(PROJECTS),
                    "action": chance.choice(("restart", "clear_cache")),
                    "state": "completed",
                },
            )
            for _ in range(5)
        ]
        yield Signal(at=NOW, fields=fields), facts


def show(rows: Sequence[Row]) -> None:
    """Print the rows; the ratio is the engine's decisions per second to the oracle's."""
    columns = ("rules", "decisions/s", "p50 µs", "p99 µs", "oracle/s", "p50 µs", "p99 µs")
    more = ("ratio", "compile ms", "reload ms")
    print("".join(f"{heading:>12}" for heading in (*columns, *more)))
    for row in rows:
        figures = (
            row.rules,
            row.per_s,
            row.p50_us,
            row.p99_us,
            row.oracle_per_s,
            row.oracle_p50_us,
            row.oracle_p99_us,
        )
        print(
            "".join(f"{figure:>12,.0f}" for figure in figures)
            + f"{row.per_s / row.oracle_per_s:>12.2f}"
            + f"{row.compile_ms:>12,.1f}{row.reload_ms:>12,.0f}"
        )


def _compile_ms(book: RuleBook) -> float:
    started = time.perf_counter()
    with closing(Engine(book)):
        return (time.perf_counter() - started) * 1e3


def _percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


if __name__ == "__main__":
    main()
