"""The projects this hub holds: claimed, renewed, changed and let go."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from config.projects_file import ProjectSpec
from data import projects
from data.database import Database
from data.projects import ClaimedProject, HeldProject
from data.records import StatusReport

logger = logging.getLogger(__name__)

OnTaken = Callable[[ClaimedProject], None]
OnDropped = Callable[[str], None]


class Roster:
    """What this hub holds, as the leases in the database say.

    While Postgres is away the roster stays as it was: nobody else can claim then either.
    """

    def __init__(self, database: Database, hub: str, lease: timedelta) -> None:
        self._database = database
        self._hub = hub
        self._lease = lease
        self._held: dict[str, ClaimedProject] = {}

    @property
    def held(self) -> Mapping[str, ClaimedProject]:
        return self._held

    @property
    def specs(self) -> dict[str, ProjectSpec]:
        return {name: project.spec for name, project in self._held.items()}

    async def refresh(
        self, due: Sequence[HeldProject], on_taken: OnTaken, on_dropped: OnDropped
    ) -> None:
        """Renew, release and claim; tell of each project that is new, changed or gone.

        `due` says when each held project is next due, for whoever holds it next.
        """
        holdings = await projects.hold(self._database, self._hub, due, self._lease)
        for name in [name for name in self._held if name not in holdings.kept]:
            del self._held[name]
            on_dropped(name)
        changed = [name for name, at in holdings.kept.items() if at != self._held[name].changed_at]
        taken = list(holdings.claimed)
        if changed:
            taken += await projects.load_claimed(self._database, self._hub, changed)
        for project in taken:
            self._held[project.spec.name] = project
            on_taken(project)
        if holdings.claimed or holdings.released:
            logger.info(
                "%s holds %d projects: %d claimed, %d released",
                self._hub,
                len(self._held),
                len(holdings.claimed),
                len(holdings.released),
            )

    def note_reports(self, reports: Sequence[StatusReport]) -> None:
        """Remember what projects said about themselves, as the database now has it."""
        for report in reports:
            if report.project in self._held:
                self._held[report.project] = replace(
                    self._held[report.project], reported=report.as_reported()
                )

    async def release_all(self) -> None:
        """Give every project back, so that another hub need not wait for the lease."""
        names = list(self._held)
        self._held.clear()
        if names:
            await projects.release(self._database, self._hub, names)
