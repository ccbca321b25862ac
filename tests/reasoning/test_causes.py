"""Which project is named as the cause of an incident, and when none is."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random

import polars as pl

from data.analytics.limits import SAMPLES
from reasoning.causes import LOGS, Change, IncidentWindow, Ranking, StatusChange, rank

END = datetime(2026, 3, 1, 12, tzinfo=UTC)
OPENED = END - timedelta(minutes=5)
CHAIN = {"shop": ["search"], "search": ["database"]}
STEPS = 120


def at(minutes: float) -> datetime:
    """Return an instant so many minutes from when the incident was opened."""
    return OPENED + timedelta(minutes=minutes)


def course(
    project: str, metric: str, *, to: float = 100.0, since: datetime = OPENED
) -> Iterator[tuple[str, str, datetime, float]]:
    """Yield an hour at 30 s around 100, and around `to` since then."""
    rng = Random(f"{project} {metric}")
    for step in reversed(range(STEPS)):
        when = END - timedelta(seconds=30 * step)
        yield project, metric, when, rng.gauss(to if when >= since else 100.0, 2.0)


def frame(*courses: Iterator[tuple[str, str, datetime, float]]) -> pl.DataFrame:
    rows = [row for one in courses for row in one]
    return pl.DataFrame(rows, schema=SAMPLES, orient="row")


def window(
    *courses: Iterator[tuple[str, str, datetime, float]],
    project: str = "shop",
    metric: str | None = "response_ms",
    depends_on: Mapping[str, Sequence[str]] = CHAIN,
    statuses: Sequence[StatusChange] = (),
    changes: Sequence[Change] = (),
    logs: pl.DataFrame | None = None,
) -> IncidentWindow:
    return IncidentWindow(
        project=project,
        metric=metric,
        opened_at=OPENED,
        ends_at=END,
        metrics=frame(*courses),
        depends_on=depends_on,
        statuses=statuses,
        changes=changes,
        logs=pl.DataFrame(schema=LOGS) if logs is None else logs,
    )


def named(ranking: Ranking) -> str | None:
    """Return the project that is clearly the cause."""
    return ranking.causes[0].project if ranking.is_clear else None


def slow(*projects: str) -> list[Iterator[tuple[str, str, datetime, float]]]:
    return [
        course(name, "response_ms", to=400.0 if name in projects else 100.0)
        for name in ("shop", "search", "database")
    ]


def test_the_deepest_project_that_suffers_is_the_cause() -> None:
    assert named(rank(window(*slow("shop", "search", "database")))) == "database"
    assert named(rank(window(*slow("shop", "search")))) == "search"


def test_a_project_whose_dependencies_are_fine_is_its_own_cause() -> None:
    assert named(rank(window(*slow("shop")))) == "shop"


def test_no_cause_is_clear_where_nothing_differs() -> None:
    assert named(rank(window(*slow()))) is None


def test_what_does_not_come_through_is_no_cause() -> None:
    """The database is slow, and the one between it and the incident is not."""
    causes = rank(window(*slow("shop", "database"))).causes
    assert causes[0].project == "shop"


def test_a_dependent_is_never_the_cause() -> None:
    ranking = rank(window(*slow("shop", "search"), project="search"))
    assert [cause.project for cause in ranking.causes if cause.project == "shop"] == []
    assert named(ranking) == "search"


def test_what_began_after_the_symptom_ranks_lower() -> None:
    later = window(
        course("shop", "response_ms", to=400.0),
        course("search", "response_ms", to=400.0, since=at(3)),
        depends_on={"shop": ["search"]},
    )
    sooner = window(
        course("shop", "response_ms", to=400.0),
        course("search", "response_ms", to=400.0, since=at(-1)),
        depends_on={"shop": ["search"]},
    )
    assert named(rank(sooner)) == "search"
    assert named(rank(later)) == "shop"


def test_a_metric_of_the_incidents_kind_tells_more_than_another() -> None:
    ranking = rank(
        window(
            course("shop", "response_ms", to=400.0),
            course("search", "response_ms", to=400.0),
            course("cache", "queue_depth", to=400.0),
            depends_on={"shop": ["search", "cache"]},
        )
    )
    assert named(ranking) == "search"


def test_in_the_own_project_another_metric_is_named_before_the_symptom() -> None:
    ranking = rank(
        window(
            course("shop", "response_ms", to=400.0),
            course("shop", "memory_percent", to=300.0, since=at(-1)),
        )
    )
    assert ranking.causes[0].metric == "memory_percent"


def test_a_fall_is_as_bad_as_a_rise_where_lower_is_worse() -> None:
    ranking = rank(
        window(
            course("shop", "availability_percent", to=60.0),
            course("search", "availability_percent", to=60.0),
            metric="availability_percent",
        )
    )
    assert named(ranking) == "search"


def test_getting_faster_is_no_trouble() -> None:
    fast = window(course("shop", "response_ms"), course("search", "response_ms", to=10.0))
    assert named(rank(fast)) is None


def test_a_level_of_before_the_incident_is_no_cause() -> None:
    ranking = rank(
        window(
            course("shop", "response_ms", to=400.0),
            course("search", "response_ms", to=400.0, since=at(-16)),
        )
    )
    assert named(ranking) == "shop"


def test_a_dependency_that_is_down_is_the_cause_of_an_outage() -> None:
    down = [
        StatusChange(project="database", at=at(-1), status="down"),
        StatusChange(project="search", at=at(-0.5), status="down"),
        StatusChange(project="shop", at=at(0), status="down"),
    ]
    ranking = rank(window(metric=None, statuses=down))
    assert named(ranking) == "database"
    assert (ranking.causes[0].kind, ranking.causes[0].lead_s) == ("status", 60.0)


def test_an_outage_that_had_ended_does_not_count() -> None:
    statuses = [
        StatusChange(project="search", at=at(-60), status="down"),
        StatusChange(project="search", at=at(-50), status="healthy"),
    ]
    ranking = rank(window(*slow("shop"), statuses=statuses))
    assert named(ranking) == "shop"


def test_a_deploy_just_before_raises_a_cause_and_names_it() -> None:
    deploy = Change(project="shop", at=at(-2), version="2.0")
    plain, raised = rank(window(*slow("shop"))), rank(window(*slow("shop"), changes=[deploy]))
    assert raised.causes[0].score > plain.causes[0].score
    assert (raised.causes[0].kind, raised.causes[0].name) == ("deploy", "2.0")
    assert raised.causes[0].lead_s == 120.0


def test_a_deploy_after_the_trouble_began_counts_for_nothing() -> None:
    deploy = Change(project="shop", at=at(3), version="2.0")
    assert rank(window(*slow("shop"), changes=[deploy])) == rank(window(*slow("shop")))


def test_a_deploy_alone_is_mentioned_and_is_not_clear() -> None:
    revised = Change(project="search", at=at(-2), kind="configuration", version="r17")
    ranking = rank(window(*slow(), changes=[revised]))
    assert not ranking.is_clear
    assert "search" in [cause.project for cause in ranking.causes]


def test_new_log_lines_add_to_what_a_project_suffers() -> None:
    lines = [("search", at(n / 10), f"timeout of connection {n} after {n}s") for n in range(30)]
    logs = pl.DataFrame(lines, schema=LOGS, orient="row")
    found = {one.project: one for one in rank(window(*slow("shop"), logs=logs)).causes}
    told = [fact.name for fact in found["search"].evidence if fact.kind == "log"]
    assert told == ["timeout of connection <n> after <n>s"]


def test_the_sufferers_are_those_in_which_something_stands_out() -> None:
    assert rank(window(*slow("shop", "search"))).sufferers == ("search", "shop")


def test_projects_that_depend_on_each_other_are_ranked() -> None:
    circle = {"shop": ["search"], "search": ["shop", "search"]}
    assert rank(window(*slow("shop", "search"), depends_on=circle)).is_clear


def test_an_incident_without_any_sample_has_no_cause() -> None:
    ranking = rank(window())
    assert (ranking.causes, ranking.is_clear, ranking.sufferers) == ((), False, ())
