"""The long history: closed days as Parquet, today from Postgres, both as one table in DuckDB.

An archived day is one file, `<archive>/<table>/<day>.parquet`, sorted by project and time and
compressed with zstd: about 11 bytes a sample, against 100 in Postgres.
"""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import polars as pl

from config.errors import OpsloreError
from data.named_sql import read_queries
from data.partitions import PARTITIONED

if TYPE_CHECKING:
    import pyarrow as pa

_SQL = read_queries("history")
_FAR = datetime(2999, 1, 1, tzinfo=UTC)


class ArchiveUnreadable(OpsloreError):
    """A day in the archive cannot be read."""


class Archive:
    """A folder of archived days. Every method blocks; call it in a thread."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.folder = folder
        self._url = database_url

    def path(self, table: str, day: date) -> Path:
        return self.folder / table / f"{day}.parquet"

    def holds(self, table: str, day: date) -> bool:
        return self.path(table, day).exists()

    def export(self, table: str, day: date) -> Path:
        """Write one day of one table, whole or not at all, and return its file."""
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        rows = self._rows(table, start, start + timedelta(days=1))
        path = self.path(table, day)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        pl.DataFrame(rows).write_parquet(unfinished, compression="zstd", statistics=True)
        unfinished.replace(path)
        return path

    def connect(self, since: datetime) -> duckdb.DuckDBPyConnection:
        """Return a DuckDB connection with a view per history table, from `since` on.

        Archived days come from their files, every other day from Postgres, read now.

        Raises:
            ArchiveUnreadable: a file of the archive is damaged; the message names it.
        """
        connection = duckdb.connect(config={"autoinstall_known_extensions": False})
        for table in PARTITIONED:
            archived = self._archived_days(table, since)
            hot_from = _first_day_not_in(archived, since)
            connection.register(f"{table}_hot", self._rows(table, hot_from, _FAR))
            source = f"SELECT * FROM {table}_hot"
            if archived:
                days = ", ".join(f"DATE '{day}'" for day in archived)
                source += f" WHERE (recorded_at AT TIME ZONE 'UTC')::DATE NOT IN ({days})"
                files = [str(self.path(table, day)) for day in archived]
                self._check(connection, files)
                listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
                source += f" UNION ALL BY NAME SELECT * FROM read_parquet([{listed}])"
            connection.execute(
                f"CREATE VIEW {table} AS SELECT * FROM ({source})"
                f" WHERE recorded_at >= TIMESTAMPTZ '{since.isoformat()}'"
            )
        return connection

    def _archived_days(self, table: str, since: datetime) -> list[date]:
        files = (self.folder / table).glob("*.parquet")
        days = (date.fromisoformat(path.stem) for path in files)
        return sorted(day for day in days if _start(day) + timedelta(days=1) > since)

    def _check(self, connection: duckdb.DuckDBPyConnection, files: list[str]) -> None:
        for file in files:
            try:
                connection.execute("SELECT num_rows FROM parquet_file_metadata($1)", [file])
            except duckdb.Error as error:
                raise ArchiveUnreadable(f"{file} is damaged: {error}") from error

    def _rows(self, table: str, start: datetime, end: datetime) -> "pa.Table":
        import adbc_driver_postgresql.dbapi as adbc  # noqa: PLC0415 (it takes 2 s, with pandas)

        with adbc.connect(self._url) as connection, connection.cursor() as cursor:
            cursor.execute(_SQL[f"day_of_{table}"], [start, end])
            return cursor.fetch_arrow_table()


def _start(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _first_day_not_in(archived: list[date], since: datetime) -> datetime:
    """Return the instant from which Postgres has to be asked."""
    day = since.date()
    while day in archived:
        day += timedelta(days=1)
    return max(since, _start(day))
