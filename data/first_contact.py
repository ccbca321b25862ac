"""Whether a Postgres answers at all, found out at once and told with the reason."""

import psycopg

from config.errors import ConfigError, Fault
from data.database import DatabaseUnavailable

WITHIN_S = 5


async def first_contact(url: str) -> None:
    """Connect once and leave again.

    A pool of connections only tells that it got none in time; this is asked before one is made.

    Raises:
        DatabaseUnavailable: with the reason; after 5 s for each address of a silent host.
        ConfigError: the address cannot be read. Its text, which may hold a password, is not told.
    """
    try:
        connection = await psycopg.AsyncConnection.connect(
            url, connect_timeout=WITHIN_S, application_name="opslore"
        )
        await connection.close()
    except psycopg.ProgrammingError:
        problem = "must be an address that Postgres understands"
        raise ConfigError([Fault("environment", 0, "OPSLORE_DATABASE_URL", problem)]) from None
    except (psycopg.OperationalError, OSError) as error:
        reason = str(error).strip().partition("\n")[0].removeprefix("connection failed: ")
        raise DatabaseUnavailable(f"Postgres does not answer: {reason}") from error
