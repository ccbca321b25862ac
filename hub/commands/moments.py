"""Moments as options: `--since 30d`, or `--since 2026-05-01T12:00`."""

from datetime import UTC, datetime

import typer

from config.durations import parse_duration


def read_moment(text: str) -> datetime:
    """Return the moment an option gives, for typer's `parser`: so long ago, or an instant."""
    try:
        return datetime.now(UTC) - parse_duration(text)
    except ValueError as error:
        try:
            instant = datetime.fromisoformat(text)
        except ValueError:
            raise typer.BadParameter(f"{error}, or an instant such as 2026-05-01T12:00") from None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
