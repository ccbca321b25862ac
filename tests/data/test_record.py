"""The record: what is appended stays, what is append-only refuses, days come and go."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from data import events, migrations, partitions, rollups, samples
from data.bus import Bus, wait_for
from data.database import Database, DatabaseError, DatabaseUnavailable
from data.events import NewEvent
from data.history import Archive, ArchiveUnreadable
from data.records import HealthSample, LogLine, MetricSample

NOW = datetime.now(UTC)


def _event(message: str, kind: str = "HubStarted") -> NewEvent:
    return NewEvent(
        occurred_at=NOW,
        hub="h",
        agent="hub",
        kind=kind,  # type: ignore[arg-type]
        severity="info",
        message=message,
    )


async def test_samples_come_back_as_they_went_in(database: Database) -> None:
    probe = HealthSample(
        project="a", recorded_at=NOW, status="down", response_ms=12.5, detail="connection refused"
    )
    scrape = MetricSample(
        project="a", recorded_at=NOW, cpu_percent=12.5, other={'queue{kind="x"}': 3.0}
    )
    line = LogLine(project="a", recorded_at=NOW, level="error", message="tab\there \\N and ⏎")
    await samples.append(database, [probe], [scrape], [line])
    since = NOW - timedelta(minutes=1)
    assert await samples.recent_health(database, ["a"], since=since, limit=9) == [probe]
    assert await samples.recent_metrics(database, ["a"], since=since, limit=9) == [scrape]
    assert await samples.recent_logs(database, ["a"], since=since, limit=9) == [line]


async def test_log_lines_of_one_fetch_keep_their_order(database: Database) -> None:
    lines = [
        LogLine(project="a", recorded_at=NOW, message=message) for message in ("b", "a", "c", "a")
    ]
    await samples.append(database, logs=lines)
    since = NOW - timedelta(minutes=1)
    assert await samples.recent_logs(database, ["a"], since=since, limit=9) == lines


async def test_uptime_is_the_share_of_probes_that_found_it_up(database: Database) -> None:
    statuses = ["healthy", "degraded", "down", "unknown"]
    probes = [
        HealthSample(project="a", recorded_at=NOW - timedelta(seconds=n), status=status)  # type: ignore[arg-type]
        for n, status in enumerate(statuses)
    ]
    await samples.append(database, probes)
    uptime = await samples.uptime_percent(database, NOW - timedelta(days=1))
    assert uptime["a"] == pytest.approx(200 / 3)


async def test_events_keep_their_order_and_are_announced(
    database: Database, database_url: str
) -> None:
    async with Bus(database_url, events.CHANNEL) as bus:
        heard = bus.listener(events.CHANNEL)
        assert await wait_for(heard, 5)  # the connection is up
        ids = await events.record(database, _event("one"), _event("two"))
        assert await wait_for(heard, 5)
    assert [event.message for event in await events.after(database, ids[0] - 1)] == ["one", "two"]


async def test_events_are_numbered_in_the_order_of_their_commits(database: Database) -> None:
    """A reader that goes on from the last number it saw misses nothing."""
    async with database.transaction() as slow:
        await events.append(slow, [_event("slow")])
        quick = asyncio.create_task(events.record(database, _event("quick")))
        await asyncio.sleep(0.1)
        assert not quick.done()
    await quick
    assert [event.message for event in await events.after(database, 0)] == ["slow", "quick"]


async def test_the_bus_hears_again_after_its_connection_was_cut(
    database: Database, database_url: str
) -> None:
    async with Bus(database_url, events.CHANNEL, retry_s=0.05) as bus:
        heard = bus.listener(events.CHANNEL)
        assert await wait_for(heard, 5)
        await database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'opslore bus' AND datname = current_database()"
        )
        assert await wait_for(heard, 5)
        await events.record(database, _event("after the cut"))
        assert await wait_for(heard, 5)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE action_history SET reason = 'other'",
        "DELETE FROM action_history",
        "TRUNCATE action_history",
    ],
)
async def test_action_history_refuses_every_change(database: Database, statement: str) -> None:
    with pytest.raises(DatabaseError, match="action_history is append-only"):
        await database.execute(statement)


async def test_a_status_outside_the_four_is_refused(database: Database) -> None:
    probe = HealthSample(project="a", recorded_at=NOW, status="sleepy")  # type: ignore[arg-type]
    with pytest.raises(DatabaseError, match="check constraint"):
        await samples.append(database, [probe])


async def test_an_unreachable_database_is_named_as_such() -> None:
    async with Database("postgresql://postgres@127.0.0.1:1/none", timeout_s=0.2) as nowhere:
        with pytest.raises(DatabaseUnavailable):
            await nowhere.execute("SELECT 1")


async def test_migrating_twice_applies_nothing_twice(database: Database) -> None:
    assert await migrations.migrate(database) == []
    assert all(step.applied for step in await migrations.status(database))


async def test_a_database_of_a_newer_program_is_refused(database: Database) -> None:
    await database.execute(
        "INSERT INTO schema_migrations (number, name, digest) VALUES (9999, 'later', 'x')"
    )
    with pytest.raises(migrations.MigrationError, match="the database has migration 9999"):
        await migrations.migrate(database)


async def test_an_edited_migration_is_refused(database: Database) -> None:
    await database.execute("UPDATE schema_migrations SET digest = 'other' WHERE number = 1")
    with pytest.raises(migrations.MigrationError, match="0001_record"):
        await migrations.migrate(database)


async def test_hubs_that_migrate_at_once_wait_for_each_other(cluster_url_empty: str) -> None:
    async def migrate() -> int:
        async with Database(cluster_url_empty) as database:
            return len(await migrations.migrate(database))

    applied = await asyncio.gather(migrate(), migrate(), migrate())
    assert sorted(bool(count) for count in applied) == [False, False, True]


async def test_where_supabase_publishes_changes_our_tables_are_among_them(
    cluster_url_empty: str,
) -> None:
    async with Database(cluster_url_empty) as database:
        await database.execute("CREATE PUBLICATION supabase_realtime")
        await migrations.migrate(database)
        rows = await database.fetch_all(
            "SELECT tablename FROM pg_publication_tables WHERE pubname = 'supabase_realtime'"
        )
    assert {"projects", "incidents", "agent_events"} <= {row["tablename"] for row in rows}


async def test_rows_that_came_before_their_partition_are_moved_into_it(database: Database) -> None:
    ahead = NOW + timedelta(days=20)
    await samples.append(database, [HealthSample(project="a", recorded_at=ahead, status="down")])
    async with database.transaction() as connection:
        made = await partitions.create_ahead(connection, ahead.date())
    assert f"project_status_history_{ahead:%Y%m%d}" in made
    row = await database.fetch_one("SELECT count(*) AS n FROM project_status_history_default")
    assert row == {"n": 0}


async def test_only_archived_days_beyond_the_retention_are_dropped(database: Database) -> None:
    keep = {"project_status_history": timedelta(days=1)}
    later = NOW + timedelta(days=3)
    today = NOW.date()

    def archived(_: str, day: date) -> bool:
        return day != today

    async with database.transaction() as connection:
        dropped = await partitions.drop_before(connection, keep, later, archived)
    names = {name[-8:] for name in dropped}
    assert f"{today:%Y%m%d}" not in names
    assert f"{today - timedelta(days=1):%Y%m%d}" in names


async def test_rollups_are_the_same_however_often_they_are_made(database: Database) -> None:
    probes = [
        HealthSample(
            project="a", recorded_at=NOW - timedelta(seconds=n), status="healthy", response_ms=n
        )
        for n in range(20)
    ]
    await samples.append(database, probes)
    for _ in range(2):
        async with database.transaction() as connection:
            await rollups.refresh(connection, NOW)
    for table in ("rollups_5m", "rollups_1h"):
        row = await database.fetch_one(f"SELECT sum(healthy) AS n FROM {table}")
        assert row == {"n": 20}


async def test_an_archived_day_and_today_are_one_table(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    yesterday = NOW - timedelta(days=1)
    await samples.append(
        database,
        metrics=[
            MetricSample(project="a", recorded_at=yesterday, cpu_percent=10.0),
            MetricSample(project="a", recorded_at=NOW, cpu_percent=30.0),
        ],
    )
    archive = Archive(tmp_path, database_url)
    await asyncio.to_thread(archive.export, "project_metrics", yesterday.date())
    await database.execute(f"DROP TABLE project_metrics_{yesterday:%Y%m%d}")
    duck = archive.connect(NOW - timedelta(days=2))
    assert duck.execute("SELECT avg(cpu_percent), count(*) FROM project_metrics").fetchone() == (
        20.0,
        2,
    )


async def test_a_day_that_is_missing_in_the_archive_comes_from_postgres(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    days = [NOW - timedelta(days=back) for back in (2, 1, 0)]
    await samples.append(
        database, [HealthSample(project="a", recorded_at=day, status="healthy") for day in days]
    )
    archive = Archive(tmp_path, database_url)
    await asyncio.to_thread(archive.export, "project_status_history", days[1].date())
    duck = archive.connect(NOW - timedelta(days=5))
    assert duck.execute("SELECT count(*) FROM project_status_history").fetchone() == (3,)


async def test_a_damaged_archive_is_named(database_url: str, tmp_path: Path) -> None:
    archive = Archive(tmp_path, database_url)
    path = archive.path("project_metrics", NOW.date())
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not parquet")
    with pytest.raises(ArchiveUnreadable, match=str(path)):
        archive.connect(NOW - timedelta(days=2))
