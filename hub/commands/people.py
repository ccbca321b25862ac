"""Options of what a person decides: who it is, and why."""

import getpass
from typing import Annotated

import typer

MOST_REASON = 500


def login_name() -> str:
    """Return the name of whoever is logged in, `somebody` where the system does not know."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without an entry, as in a container
        return "somebody"


def _check_text(text: str | None) -> str | None:
    """Return a text without spaces around it; one that is given must say something, briefly."""
    if text is None:
        return None
    said = " ".join(text.replace("\0", " ").split())
    if not said or len(said) > MOST_REASON:
        raise typer.BadParameter(f"must be 1 to {MOST_REASON} characters")
    return said


By = Annotated[
    str,
    typer.Option(
        "--by",
        help="Who does this; the login name unless told.",
        default_factory=login_name,
        show_default=False,
        callback=_check_text,
    ),
]
Reason = Annotated[str, typer.Option("--reason", help="Why.", callback=_check_text)]
MaybeReason = Annotated[str | None, typer.Option("--reason", help="Why.", callback=_check_text)]
