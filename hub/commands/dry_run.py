"""`--dry-run`: a hub decides and tells as always, and leaves out the action itself."""

from typing import Annotated

import typer

from config.hub_file import HubSettings

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Decide and tell as always, but carry out no action.")
]


def with_dry_run(hub: HubSettings, *, dry_run: bool) -> HubSettings:
    """Return the settings with the dry run switched on where it is wanted.

    Not wanted here, it is as the hub file says.
    """
    if not dry_run:
        return hub
    return hub.model_copy(update={"healing": hub.healing.model_copy(update={"dry_run": True})})
