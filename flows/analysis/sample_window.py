"""The recent metrics of the held projects, as far back as the detectors look."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import polars as pl

from config.projects_file import ProjectSpec
from data import samples
from data.analytics.limits import LIMITS, SAMPLES, limits_frame, reach, samples_frame
from data.anomalies import Identity
from data.database import Database
from data.records import MetricSample


class SampleWindow:
    """A cache of `project_metrics`: what it lacks it reads, so any hub can judge any project."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._specs: dict[str, ProjectSpec] = {}
        self._limits = LIMITS.to_frame()
        self._samples = SAMPLES.to_frame()

    async def add(self, batch: Sequence[MetricSample], specs: Mapping[str, ProjectSpec]) -> None:
        """Take in new scrapes; load the past of projects seen for the first time.

        Raises:
            DatabaseUnavailable: nothing was taken in.
        """
        known = {name: spec for name, spec in self._specs.items() if specs.get(name) is spec}
        strangers = sorted({s.project for s in batch if s.project in specs} - known.keys())
        past = await self._load(strangers, specs)
        current = {**known, **{name: specs[name] for name in strangers}}
        if current.keys() != self._specs.keys() or strangers:
            self._limits = limits_frame(current.values())
        self._specs = current
        self._samples = self._trim(
            pl.concat([self._samples, samples_frame([*past, *batch], current)])
        )

    def view(self, projects: Iterable[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the samples and the limits of some projects, as the detectors want them."""
        mine = _among(projects)
        return self._samples.filter(mine), self._limits.filter(mine)

    def judged(self, projects: Iterable[str]) -> set[Identity]:
        """Return the anomalies that could be found in some projects, by their limits."""
        limits = self._limits.filter(_among(projects))
        trends = limits.filter(pl.col("trend"))
        return {
            *((project, metric, "threshold") for project, metric in _keys(limits)),
            *((project, metric, "trend") for project, metric in _keys(trends)),
        }

    async def _load(
        self, names: Sequence[str], specs: Mapping[str, ProjectSpec]
    ) -> list[MetricSample]:
        if not names:
            return []
        reaches = [reach(specs[name]) for name in names]
        return await samples.recent_metrics(
            self._database,
            names,
            since=datetime.now(UTC) - max(r.age for r in reaches),
            limit=max(r.samples for r in reaches),
        )

    def _trim(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Drop what is older than any detector looks, what came twice, and who is gone."""
        oldest = pl.DataFrame(
            [(name, reach(spec).age) for name, spec in self._specs.items()],
            schema={"project": pl.String, "keep": pl.Duration("us")},
            orient="row",
        )
        newest = pl.col("at").max().over("project")
        return (
            frame.unique(["project", "metric", "at"], keep="last")
            .join(oldest, on="project")
            .filter(pl.col("at") >= newest - pl.col("keep"))
            .drop("keep")
        )


def _among(projects: Iterable[str]) -> pl.Expr:
    wanted = pl.Series(sorted(set(projects)), dtype=pl.String).implode()
    return pl.col("project").is_in(wanted)


def _keys(limits: pl.DataFrame) -> list[tuple[str, str]]:
    return limits.select("project", "metric").rows()
