"""Prefect's command line, able to use a Postgres that lacks the extension pg_trgm.

Prefect's migrations create that extension and a few indexes over names that need it. The
embedded Postgres is shipped without extensions. There the migrations run without these
indexes: searching runs by a part of their name then reads the table, nothing else changes.
"""

import runpy
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

_EXTENSION = "pg_trgm"
_NEEDS_IT = (_EXTENSION, "gin_trgm_ops")
_NOTHING = "SELECT 1"


class WithoutTrigrams:
    """Replaces the statements that need the extension, where it cannot be installed."""

    def __init__(self) -> None:
        self._available: bool | None = None

    def __call__(
        self, connection: Connection, _cursor: object, statement: str, parameters: Any, *_: object
    ) -> tuple[str, Any]:
        if not any(word in statement for word in _NEEDS_IT) or self._is_available(connection):
            return statement, parameters
        return _NOTHING, parameters

    def _is_available(self, connection: Connection) -> bool:
        if self._available is None:
            self._available = True  # so that the question itself passes
            found = connection.exec_driver_sql(
                f"SELECT count(*) FROM pg_available_extensions WHERE name = '{_EXTENSION}'"
            ).scalar()
            self._available = bool(found)
        return self._available


if __name__ == "__main__":
    event.listen(Engine, "before_cursor_execute", WithoutTrigrams(), retval=True)
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)
