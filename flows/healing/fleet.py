"""All projects as the responder knows them: whoever polls them, any hub may heal them."""

from collections.abc import Mapping, Sequence

from config.project_spec import ProjectSpec
from data import projects
from data.database import Database
from rules.projection import ProjectView, upstream_of


class Fleet:
    """What is said of every watched project, read again whenever the registry changed."""

    def __init__(self, specs: Sequence[ProjectSpec] = ()) -> None:
        self._take(specs)

    async def read(self, database: Database) -> None:
        self._take(await projects.list_specs(database))

    def _take(self, specs: Sequence[ProjectSpec]) -> None:
        self.specs: Mapping[str, ProjectSpec] = {spec.name: spec for spec in specs}
        depends_on = {name: spec.depends_on for name, spec in self.specs.items()}
        self.upstream: Mapping[str, tuple[str, ...]] = {
            name: upstream_of(name, depends_on) for name in self.specs
        }
        self.views: Mapping[str, ProjectView] = {
            name: _view(spec, self.upstream[name]) for name, spec in self.specs.items()
        }

    def __len__(self) -> int:
        return len(self.specs)

    def dependents(self, name: str) -> int:
        """Return how many projects depend on one, also through others."""
        return sum(name in upstream for upstream in self.upstream.values())


def _view(spec: ProjectSpec, upstream: tuple[str, ...]) -> ProjectView:
    """Return a project beside an incident, of which rules ask no more than this."""
    return ProjectView(
        name=spec.name,
        status="unknown",
        autonomy=spec.autonomy,
        tags=spec.tags,
        upstream=upstream,
    )
