"""What rules can be asked about, made from plain records: as of one moment, in UTC."""

from datetime import UTC, datetime, timedelta, timezone

from rules.projection import (
    IncidentView,
    ProjectView,
    SilenceView,
    Surroundings,
    facts_of,
    signal_of,
    upstream_of,
)

NOW = datetime(2026, 3, 4, 23, 30, tzinfo=UTC)
STORE = ProjectView(name="store", status="down", autonomy="auto")
WEB = ProjectView(
    name="web", status="healthy", autonomy="auto", tags=("eu",), upstream=("api", "store")
)
JOBS = ProjectView(name="jobs", status="healthy", autonomy="auto", upstream=("store",))
PROJECTS = {one.name: one for one in (STORE, WEB, JOBS)}


def _incident(number: int, project: str, kind: str = "down", age_s: float = 60) -> IncidentView:
    return IncidentView(
        id=number,
        project=project,
        kind=kind,
        severity="critical",
        title=kind,
        opened_at=NOW - timedelta(seconds=age_s),
    )


def test_hours_and_weekdays_are_those_of_utc() -> None:
    """Half past midnight on Thursday in Berlin is still Wednesday evening."""
    berlin = NOW.astimezone(timezone(timedelta(hours=1)))
    fields = signal_of(_incident(1, "web"), WEB, berlin).fields
    assert (fields["hour"], fields["weekday"], fields["age_s"]) == (23.0, "wed", 60.0)


def test_what_an_outage_has_no_metric_of_is_missing() -> None:
    fields = signal_of(_incident(1, "web"), WEB, NOW, attempts=2).fields
    assert (fields["metric"], fields["value"], fields["baseline"]) == (None, None, None)
    assert (fields["attempts"], fields["dependency"]) == (2.0, "api")


def test_an_incident_beside_names_the_dependency_that_both_share() -> None:
    around = Surroundings(
        projects=PROJECTS, incidents=[_incident(1, "web"), _incident(2, "jobs", "latency")]
    )
    (fact,) = facts_of(_incident(1, "web"), around, NOW)
    assert (fact.fields["project"], fact.fields["shared_dependency"]) == ("jobs", "store")
    assert (fact.fields["state"], fact.fields["down"]) == ("open", False)


def test_what_comes_later_is_no_fact() -> None:
    around = Surroundings(projects=PROJECTS, incidents=[_incident(2, "jobs", age_s=-1)])
    assert facts_of(_incident(1, "web"), around, NOW) == []


def test_a_silence_is_a_fact_of_what_it_covers_alone() -> None:
    def silence(**of: str) -> SilenceView:
        hour = timedelta(hours=1)
        return SilenceView(starts_at=NOW - hour, ends_at=NOW + hour, reason="works", **of)

    around = Surroundings(
        projects=PROJECTS,
        silences=[silence(tag="eu"), silence(tag="us"), silence(project="web", kind="cpu")],
    )
    (fact,) = facts_of(_incident(1, "web"), around, NOW)
    assert fact.fields == {"project": "web", "kind": "down", "reason": "works"}


def test_maintenance_of_a_dependency_is_beside_the_incident() -> None:
    around = Surroundings(projects=PROJECTS, maintenance={"store": "backup", "jobs": "other"})
    (fact,) = facts_of(_incident(1, "web"), around, NOW)
    assert (fact.type, fact.fields["project"]) == ("maintenance", "store")


def test_upstream_is_everything_depended_on_the_nearest_first() -> None:
    depends_on = {"web": ("api", "cache"), "api": ("store",), "cache": ("store", "web")}
    assert upstream_of("web", depends_on) == ("api", "cache", "store")
