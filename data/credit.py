"""What the record says of the use of actions."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Final

from data.analytics.credit import LEAST_CASES, Carried, Case, Credit, credit
from data.database import Database
from data.named_sql import read_queries

_SQL = read_queries("credit")

WITHIN: Final = timedelta(minutes=5)
"""What recovers later is not the action's doing."""


async def load(
    database: Database,
    *,
    since: datetime,
    until: datetime | None = None,
    within: timedelta = WITHIN,
    kind: str | None = None,
    action: str | None = None,
    least: int = LEAST_CASES,
) -> list[Credit]:
    """Return what each action did for each kind of incident opened from `since` to `until`.

    What was suppressed does not count. A dry run is no action: its incident was left alone.
    """
    now = datetime.now(UTC)
    cases = await load_cases(database, since=since, until=until or now, now=now, kind=kind)
    found = credit(cases, within=within, least=least)
    return [one for one in found if action in (None, one.action)]


async def load_cases(
    database: Database, *, since: datetime, until: datetime, now: datetime, kind: str | None = None
) -> list[Case]:
    """Return the incidents that can be compared, oldest first."""
    period = {"since": since, "until": until}
    carried: dict[int, list[Carried]] = defaultdict(list)
    for row in await database.fetch_all(_SQL["carried"], period):
        one = Carried(action=row["action"], at=row["at"], by_hand=row["by_hand"])
        carried[row["incident_id"]].append(one)
    rows = await database.fetch_all(_SQL["cases"], {**period, "now": now, "kind": kind})
    return [
        Case(
            kind=row["kind"],
            opened_at=row["opened_at"],
            recovered_at=row["recovered_at"],
            seen_until=row["seen_until"],
            carried=tuple(carried[row["id"]]),
        )
        for row in rows
    ]
