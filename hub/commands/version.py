"""`opslore version`."""

import platform

from hub.commands.outcome import AsJson, print_json, print_line
from hub.version import VERSION


def version(*, as_json: AsJson = False) -> None:
    """Show the version of this program and of Python."""
    python = platform.python_version()
    if as_json:
        print_json({"version": VERSION, "python": python})
    else:
        print_line(f"opslore {VERSION}, Python {python}")
