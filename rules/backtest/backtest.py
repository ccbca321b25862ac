"""A whole backtest: what rules would have done, beside what was done and beside other rules."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from config.healing import HealingSettings
from data import past
from data.database import Database
from data.past import Past
from rules.backtest import compare
from rules.backtest.compare import Comparison
from rules.backtest.fidelity import Fidelity, fidelity
from rules.backtest.reach import farthest, uses_metrics
from rules.backtest.replay import Replay, replay
from rules.backtest.report import RuleReport, rule_reports
from rules.engine import Engine
from rules.rule import RuleBook


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """What a rule book would have done from `since` to `until`.

    `fidelity` is how far a replay of the rules in force comes to what is on record; None where
    they were not given.
    """

    since: datetime
    until: datetime
    version: str
    incidents: int
    anomalies: int
    rules: tuple[RuleReport, ...]
    against_record: Comparison
    against_other: Comparison | None
    fidelity: Fidelity | None


async def load(
    database: Database,
    books: list[RuleBook],
    settings: HealingSettings,
    *,
    since: datetime,
    until: datetime,
) -> Past:
    """Read what a replay of these books needs, as far back as they and the limits look."""
    limits = max(
        settings.breaker.within + settings.breaker.cooldown,
        settings.rate_limit.within,
        settings.blast_radius.within,
    )
    return await past.load(
        database,
        since=since,
        until=until,
        before=max([limits, *map(farthest, books)], default=timedelta()),
        with_scrapes=any(map(uses_metrics, books)),
    )


def backtest(
    then: Past,
    book: RuleBook,
    settings: HealingSettings,
    *,
    in_force: RuleBook | None = None,
    other: RuleBook | None = None,
    project: str | None = None,
) -> Backtest:
    """Replay a past through a book, through the rules in force, and through another book.

    All projects are replayed, because the limits hold for all together; `project` says of which
    incidents is told. Blocks for a second per 10,000 incidents or so.
    """
    books = [one for one in (book, in_force, other) if one is not None]
    made = {one.version: _replay(then, one, settings, project) for one in books}
    own = made[book.version]
    told = {course.incident.id for course in own.courses}
    return Backtest(
        since=then.since,
        until=then.until,
        version=book.version,
        incidents=len(told),
        anomalies=sum(one.incident_id in told for one in then.anomalies),
        rules=tuple(rule_reports(own)),
        against_record=compare.with_record(own),
        against_other=compare.with_other(made[other.version], own) if other else None,
        fidelity=fidelity(made[in_force.version]) if in_force else None,
    )


def _replay(then: Past, book: RuleBook, settings: HealingSettings, project: str | None) -> Replay:
    with _engine(book) as engine:
        made = replay(then, engine, settings)
    if project is None:
        return made
    courses = tuple(course for course in made.courses if course.incident.project == project)
    return replace(made, courses=courses)


@contextmanager
def _engine(book: RuleBook) -> Iterator[Engine]:
    engine = Engine(book)
    try:
        yield engine
    finally:
        engine.close()
