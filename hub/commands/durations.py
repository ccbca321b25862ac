"""Durations as options: `--since 30d`."""

from datetime import timedelta

import typer

from config.durations import parse_duration


def read_duration(text: str | timedelta) -> timedelta:
    """Return the duration an option gives, for typer's `parser`; its default comes as it is."""
    if isinstance(text, timedelta):
        return text
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
