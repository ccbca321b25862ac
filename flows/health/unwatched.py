"""Close what is open for projects that nobody watches any more."""

from data import anomalies, events, incidents
from data.database import Database
from flows import incident_events
from flows.health.status_changes import AGENT


async def close_incidents(database: Database, hub: str) -> None:
    """End the anomalies and resolve the incidents of removed, paused and disabled projects."""
    async with database.transaction() as connection:
        await anomalies.end_unwatched(connection)
        resolved = await incidents.resolve_unwatched(connection)
        await events.append(
            connection, [incident_events.resolved(hub, AGENT, one) for one in resolved]
        )
