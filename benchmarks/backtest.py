"""How fast recorded anomalies are replayed through the rules, the reading of them included.

    uv run python -m benchmarks.backtest [--anomalies 50000] [--projects 300] [--rules FOLDER]

A Postgres of its own is filled with 30 days of a fleet: incidents with one or two anomalies each,
outages, deploys, attempts, decisions and events. Beside the replay stands a naive one, which asks
the record at every incident what was beside it; it is measured on a sample.
"""

import argparse
import asyncio
import gc
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from config.healing import HealingSettings
from config.projects_file import validate_project
from config.settings import ROOT
from data import migrations, past
from data.database import Database
from data.embedded import EmbeddedPostgres
from data.past import Past
from rules.backtest.backtest import load
from rules.backtest.reach import farthest
from rules.backtest.replay import replay
from rules.engine import Engine
from rules.facts import Fact, Signal
from rules.language.reading import read_rules
from rules.policy import Standing, Verdict
from rules.rule import RuleBook

DAYS = 30
SAMPLE = 200
METRICS = {
    "cpu_percent": ("cpu", 80.0),
    "memory_percent": ("memory", 85.0),
    "error_rate_percent": ("error_rate", 5.0),
    "response_ms": ("latency", 2_000.0),
}
RESTART = {"driver": "http", "url": "http://127.0.0.1:1/restart"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--anomalies", type=int, default=50_000)
    parser.add_argument("--projects", type=int, default=300)
    parser.add_argument("--rules", type=Path, default=ROOT / "rules" / "library")
    given = parser.parse_args()
    book = read_rules([given.rules])
    with tempfile.TemporaryDirectory(prefix="opslore-bench-") as folder:
        postgres = EmbeddedPostgres(Path(folder) / "postgres")
        postgres.start()
        try:
            asyncio.run(measure(postgres.url(), book, given.anomalies, given.projects))
        finally:
            postgres.stop()


async def measure(url: str, book: RuleBook, anomalies: int, projects: int) -> None:
    now = datetime.now(UTC)
    since = now - timedelta(days=DAYS)
    settings = HealingSettings()
    async with Database(url) as database:
        await migrations.migrate(database)
        fill(url, since, anomalies, projects)
        gc.disable()  # as the command has it
        started, cpu = time.perf_counter(), time.process_time()
        then = await load(database, [book], settings, since=since, until=now)
        loaded_s = time.perf_counter() - started
        engine = Timed(book)
        started = time.perf_counter()
        made = replay(then, engine, settings)  # type: ignore[arg-type]
        replayed_s, used_s = time.perf_counter() - started, time.process_time() - cpu
        naive_s = await naive(database, then, engine.engine, settings)
        engine.close()
    total_s = loaded_s + replayed_s
    print(
        f"{len(then.anomalies):,} anomalies, {len(made.courses):,} incidents, {projects} projects,"
        f" {len(book.rules)} rules; {engine.questions:,} questions,"
        f" {sum(len(course.tries) for course in made.courses):,} actions"
    )
    for what, seconds in {
        "reading the record": loaded_s,
        "matching": engine.matching_s,
        "deciding": engine.deciding_s,
        "the rest of the replay": replayed_s - engine.matching_s - engine.deciding_s,
        "in all": total_s,
    }.items():
        print(f"{what:<24}{seconds:>8.2f} s {100 * seconds / total_s:>6.1f} %")
    print(f"{'CPU, without Postgres':<24}{used_s:>8.2f} s")
    print(f"{len(then.anomalies) / total_s:,.0f} anomalies/s with reading,", end=" ")
    print(f"{len(then.anomalies) / replayed_s:,.0f} without")
    ratio = naive_s * len(made.courses) / total_s
    print(f"naive: {1 / naive_s:,.0f} incidents/s, {ratio:,.0f} times as long")


@dataclass
class Timed:
    """An engine that says how long it took."""

    book: RuleBook
    questions: int = 0
    matching_s: float = 0.0
    deciding_s: float = 0.0
    engine: Engine = field(init=False)

    def __post_init__(self) -> None:
        self.engine = Engine(self.book)

    def match(self, signal: Signal, facts: Sequence[Fact]) -> Any:
        started = time.perf_counter()
        found = self.engine.match(signal, facts)
        self.matching_s += time.perf_counter() - started
        self.questions += 1
        return found

    def decide(self, standings: Sequence[Standing]) -> Verdict:
        started = time.perf_counter()
        verdict = self.engine.decide(standings)
        self.deciding_s += time.perf_counter() - started
        return verdict

    def close(self) -> None:
        self.engine.close()


async def naive(database: Database, then: Past, engine: Engine, settings: HealingSettings) -> float:
    """Return the seconds per incident of a replay that reads what is beside each anew."""
    sample = random.Random(2).sample(then.incidents, min(SAMPLE, len(then.incidents)))
    reach = farthest(engine.book)
    started = time.perf_counter()
    for incident in sample:
        opened = incident.opened_at
        beside = await past.load(
            database, since=opened, until=opened + timedelta(microseconds=1), before=reach
        )
        replay(beside, engine, settings)
    return (time.perf_counter() - started) / len(sample)


def fill(url: str, since: datetime, anomalies: int, projects: int) -> None:
    """Write 30 days of a fleet, the same every time but for the date."""
    chance = random.Random(1)
    rows = Rows(since, projects, chance)
    while len(rows.anomalies) < anomalies:
        rows.incident()
    with psycopg.connect(url) as connection:
        connection.execute("SET session_replication_role = replica")  # nobody listens
        rows.write(connection)
        connection.execute("ANALYZE")


class Rows:
    """A made-up history, table by table."""

    def __init__(self, since: datetime, projects: int, chance: random.Random) -> None:
        self._since, self._chance = since, chance
        self.names = [f"p{n}" for n in range(projects)]
        self.anomalies: list[tuple[Any, ...]] = []
        self._incidents: list[tuple[Any, ...]] = []
        self._events: list[tuple[Any, ...]] = []
        self._attempts: list[tuple[Any, ...]] = []
        self._decisions: list[tuple[Any, ...]] = []
        for _ in range(projects * DAYS // 3):
            self._event("ProjectDeployed", self._moment(), None, {"to_version": "2"})

    def _moment(self) -> datetime:
        return self._since + timedelta(seconds=self._chance.uniform(600, DAYS * 86_400 - 7_200))

    def incident(self) -> None:
        """Add an incident: one in ten an outage, the others with anomalies."""
        chance, number = self._chance, len(self._incidents) + 1
        name, opened = chance.choice(self.names), self._moment()
        ended = opened + timedelta(seconds=min(7_000, chance.lognormvariate(5, 1)))
        metric, (kind, limit) = chance.choice(list(METRICS.items()))
        outage = chance.random() < 0.1
        kind = "down" if outage else kind
        self._incidents.append(
            (number, name, kind, "critical", "resolved", kind, opened, ended, ended, "well again")
        )
        for detector in ("threshold", "trend")[: 0 if outage else 1 + (chance.random() < 0.2)]:
            value = limit * chance.uniform(1, 1.4)
            nature = (name, kind, metric, detector, "above", "warning", value, value * 1.1, limit)
            window = timedelta(minutes=5)
            self.anomalies.append((*nature, window, "high", opened, ended, ended, number))
            details = {"metric": metric, "detector": detector, "value": value}
            self._event("AnomalyDetected", opened, number, details, name)
        step, rule = ("run", "restart") if outage else ("escalate", None)
        self._decisions.append(
            (opened, "hub", number, name, kind, step, "matched", rule, "v", rule)
        )
        if outage:
            began = opened + timedelta(seconds=1)
            asked = (UUID(int=number), number, name, "restart", "disruptive", "heal", "restart")
            ran = ("v", "completed", began, "hub", "down", began, ended, True)
            self._attempts.append((*asked, *ran))

    def _event(
        self, kind: str, at: datetime, incident: int | None, details: Any, name: str = "p0"
    ) -> None:
        row = (at, "hub", "agent", kind, "info", name, incident, kind, Jsonb(details))
        self._events.append(row)

    def write(self, connection: "psycopg.Connection[Any]") -> None:
        specs = [
            validate_project(
                {
                    "name": name,
                    "url": "http://127.0.0.1:1",
                    "autonomy": "auto",
                    "depends_on": [] if n < 10 else [f"p{n % 10}"],
                    "actions": {"restart": RESTART},
                }
            )
            for n, name in enumerate(self.names)
        ]
        projects = [
            (spec.name, "database", Jsonb(spec.model_dump(mode="json", by_alias=True)))
            for spec in specs
        ]
        copy = _copier(connection)
        copy("COPY projects (name, source, spec) FROM STDIN", projects)
        copy(
            "COPY incidents (id, project, kind, severity, state, title, opened_at, updated_at,"
            " resolved_at, resolution) FROM STDIN",
            self._incidents,
        )
        copy(
            "COPY anomalies (project, kind, metric, detector, direction, severity, value, extreme,"
            " threshold, time_window, reason, started_at, last_seen_at, ended_at, incident_id)"
            " FROM STDIN",
            self.anomalies,
        )
        copy(
            "COPY agent_events (occurred_at, hub, agent, kind, severity, project, incident_id,"
            " message, details) FROM STDIN",
            self._events,
        )
        copy(
            "COPY rule_decisions (decided_at, hub, incident_id, project, kind, step, reason, rule,"
            " rules_version, action) FROM STDIN",
            self._decisions,
        )
        copy(
            "COPY action_attempts (id, incident_id, project, action, risk, purpose, rule,"
            " rules_version, state, requested_at, requested_by, reason, executing_at, finished_at,"
            " succeeded) FROM STDIN",
            self._attempts,
        )


def _copier(
    connection: "psycopg.Connection[Any]",
) -> Callable[[LiteralString, Sequence[tuple[Any, ...]]], None]:
    def copy(statement: LiteralString, rows: Sequence[tuple[Any, ...]]) -> None:
        with connection.cursor() as cursor, cursor.copy(statement) as target:
            for row in rows:
                target.write_row(row)

    return copy


if __name__ == "__main__":
    main()
