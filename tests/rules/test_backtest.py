"""A replay does what the hub would have done: each answer is worked out in its test."""

from datetime import timedelta
from typing import Any

from config.healing import RetrySettings
from data.past import PastAnomaly, PastSilence, Stretch
from rules.backtest.course import Course
from rules.rule import Join, Test, Then, When
from tests.rules.pasts import (
    at,
    attempt,
    book,
    deploy,
    incident,
    past,
    project,
    replayed,
    rule,
    told,
    tried,
)

RETRY = RetrySettings.model_validate({"max_attempts": 3, "wait_initial": "10s", "wait_max": "1m"})
PATIENT: dict[str, Any] = {"retry": RETRY, "verify_within": timedelta(seconds=60)}


def _courses(*given: Any, rules: Any = None, **settings: Any) -> list[Course]:
    then = given[0] if len(given) == 1 and not hasattr(given[0], "opened_at") else past(*given)
    return list(replayed(then, rules or book(rule()), **settings).courses)


def test_what_ended_in_time_counts_as_helped() -> None:
    (course,) = _courses(incident(1, ended=90))
    assert told(course) == [(0, "run", "matched")]
    assert tried(course) == [(0, 90, True)]
    assert course.tries[0].basis == "assumed"


def test_what_did_not_end_is_tried_again_until_the_attempts_are_used_up() -> None:
    """60 s to see whether it helps, then 10 s and 20 s of waiting."""
    (course,) = _courses(incident(1, ended=5_000), rules=book(rule(act=PATIENT)))
    assert tried(course) == [(0, 60, False), (70, 130, False), (150, 210, False)]
    assert told(course) == [
        (0, "run", "matched"),
        (60, "wait", "backing_off"),
        (70, "run", "matched"),
        (130, "wait", "backing_off"),
        (150, "run", "matched"),
        (210, "escalate", "attempts_used_up"),
    ]


def test_an_attempt_that_really_ran_comes_to_what_it_really_came_to() -> None:
    """It failed after 30 s, for good, although the incident ended within two minutes."""
    then = past(
        incident(1, ended=100), attempts=(attempt(1, succeeded=False, permanent=True, took=30),)
    )
    (course,) = _courses(then)
    assert tried(course) == [(0, 30, False)]
    assert course.tries[0].basis == "recorded"
    assert told(course)[-1] == (30, "escalate", "permanent_failure")


def test_what_is_over_before_anybody_looked_is_left_alone() -> None:
    (course,) = _courses(
        incident(1, kind="memory", ended=3), rules=book(rule(kind="down")), grace="5s"
    )
    assert told(course) == [(0, "wait", "gathering_facts")]


def test_after_the_grace_an_incident_without_a_rule_is_given_to_a_person() -> None:
    (course,) = _courses(incident(1, kind="memory"), grace="5s")
    assert told(course) == [(0, "wait", "gathering_facts"), (5, "escalate", "no_rule")]


def test_a_rule_for_old_incidents_holds_once_they_are_old() -> None:
    old = When(kinds=("down",), all=(Test(field="age_s", operator="gte", operand=600.0),))
    (course,) = _courses(incident(1, ended=650), rules=book(rule(when=old)))
    assert tried(course) == [(600, 650, True)]


def test_the_breaker_holds_the_next_incident_until_it_has_cooled_down() -> None:
    """Three failures end at 210 s; half an hour later, at 2010 s, one attempt is let through."""
    courses = _courses(
        incident(1, ended=300), incident(2, opened=400, ended=2_050), rules=book(rule(act=PATIENT))
    )
    assert told(courses[1]) == [(400, "hold", "breaker_open"), (2_010, "run", "matched")]
    assert tried(courses[1]) == [(2_010, 2_050, True)]


def test_the_rate_limit_counts_what_people_did_too() -> None:
    """Two in ten minutes: one by hand at 0 s, one at 100 s; the next at 600 s."""
    by_hand = attempt(None, began=0, purpose="by_hand", rule=None)
    then = past(
        incident(1, opened=100, ended=110),
        incident(2, opened=200, ended=700),
        attempts=(by_hand,),
    )
    courses = _courses(then, rate_limit={"actions": 2, "within": "10m"})
    assert told(courses[1]) == [(200, "hold", "rate_limited"), (600, "run", "matched")]


def test_the_blast_radius_holds_the_third_of_three_projects() -> None:
    """Of three projects two may be acted on in ten minutes."""
    courses = _courses(
        *(incident(n, name, opened=n, ended=650 if n == 2 else 50) for n, name in enumerate("abc")),
        blast_radius={"projects": 2, "percent": 100, "within": "10m"},
    )
    assert told(courses[2]) == [(2, "hold", "blast_radius"), (600, "run", "matched")]


def test_after_success_the_same_action_cools_down() -> None:
    courses = _courses(incident(1, ended=10), incident(2, opened=20, ended=150), cooldown="1m")
    assert told(courses[1]) == [(20, "hold", "cooling_down"), (70, "run", "matched")]


def test_the_brake_holds_until_it_is_released() -> None:
    brake = (Stretch(start=at(-10), end=at(40)),)
    (course,) = _courses(past(incident(1, ended=90), brake=brake))
    assert told(course) == [(0, "hold", "brake"), (40, "run", "matched")]


def test_approval_is_given_when_it_really_was() -> None:
    """It was asked for at 0 s and given at 45 s."""
    then = past(
        incident(1, ended=90),
        projects=(project("a", autonomy="approve"),),
        attempts=(attempt(1, began=46, requested=0, decided=45, took=20),),
    )
    (course,) = _courses(then)
    assert told(course) == [(0, "request_approval", "approval_needed"), (45, "run", "matched")]
    assert tried(course) == [(45, 90, True)]


def test_approval_that_nobody_was_asked_for_runs_out() -> None:
    then = past(incident(1, ended=9_000), projects=(project("a", autonomy="approve"),))
    (course,) = _courses(then, approval_expires="30m")
    assert told(course)[-1] == (1_800, "escalate", "approval_expired")
    assert course.tries == []


def test_what_a_project_does_not_declare_or_allow_is_denied() -> None:
    then = past(
        incident(1, "a"),
        incident(2, "b"),
        projects=(project("a", actions={}), project("b", autonomy="suggest")),
    )
    assert [told(course)[0][1:] for course in _courses(then)] == [
        ("denied", "not_declared"),
        ("denied", "autonomy_suggest"),
    ]


def test_a_silence_suppresses_until_it_is_over() -> None:
    quiet = rule(
        "quiet",
        priority=1,
        then=Then(step="suppress", reason="silenced"),
        joins=(Join(fact="silence", same=("project",), within=timedelta(minutes=1)),),
    )
    silence = PastSilence(
        project="a", tag=None, kind=None, starts_at=at(-5), ends_at=at(50), reason="works"
    )
    then = past(incident(1, ended=80), silences=(silence,))
    (course,) = _courses(then, rules=book(rule(), quiet))
    assert told(course) == [(0, "suppress", "matched"), (50, "run", "matched")]


def test_a_deploy_within_the_window_is_beside_the_incident() -> None:
    after_deploy = rule(
        joins=(Join(fact="deploy", same=("project",), within=timedelta(minutes=30)),)
    )
    then = past(
        incident(1, "a", opened=1_000, ended=1_010),
        incident(2, "a", opened=3_000, ended=3_010),
        incident(3, "b", opened=1_000, ended=1_010),
        deploys=(deploy("a", deployed=900),),
    )
    courses = _courses(then, rules=book(after_deploy))
    assert [bool(course.tries) for course in courses] == [True, False, False]


def test_what_comes_in_later_is_looked_at_again() -> None:
    """Another project with the same dependency falls 20 s later: the first is asked anew."""
    together = rule(
        then=Then(step="act", action="restart", on="dependency"),
        joins=(
            Join(
                fact="incident",
                differs=("project",),
                when=(Test(field="shared_dependency", operator="exists", operand=True),),
                within=timedelta(minutes=5),
            ),
        ),
    )
    then = past(
        incident(1, "a", opened=0, ended=60),
        incident(2, "b", opened=20, ended=60),
        projects=(
            project("a", depends_on=["store"]),
            project("b", depends_on=["store"]),
            project("store"),
        ),
    )
    first, second = _courses(then, rules=book(together))
    done = [one for course in (first, second) for one in course.tries]
    assert [(one.target, one.at) for one in done] == [("store", at(20))]
    assert {(told(first)[-1][1]), (told(second)[-1][1])} == {"run", "suppress"}


def test_an_incident_that_another_explains_is_left_to_it() -> None:
    (course,) = _courses(incident(1, ended=90, explained=0, explained_until=30))
    assert told(course) == [(0, "suppress", "explained"), (30, "run", "matched")]


def test_a_rule_in_shadow_mode_does_nothing_and_is_accounted_for() -> None:
    (course,) = _courses(incident(1, ended=90), rules=book(rule(mode="shadow")))
    assert course.tries == []
    assert told(course) == [(0, "escalate", "no_rule")]
    assert course.shadow["restart-it"].step == "run"


def test_an_anomaly_is_seen_with_the_value_it_began_with() -> None:
    """It began at 85, came to 99 at last, and had a second anomaly of 95 after 40 s."""
    high = When(kinds=("cpu",), all=(Test(field="value", operator="gte", operand=90.0),))

    def anomaly(value: float, detector: Any, started: float) -> PastAnomaly:
        return PastAnomaly(
            incident_id=1,
            metric="cpu_percent",
            detector=detector,
            direction="above",
            severity="warning",
            value=value,
            extreme=99.0,
            threshold=80.0,
            started_at=at(started),
            ended_at=None,
        )

    then = past(
        incident(1, kind="cpu", ended=100),
        anomalies=(anomaly(85, "trend", 0), anomaly(95, "threshold", 40)),
    )
    (course,) = _courses(then, rules=book(rule(when=high)))
    assert tried(course) == [(40, 100, True)]


def test_what_opened_before_the_stretch_is_only_a_fact() -> None:
    then = past(incident(1, "a", opened=-50), incident(2, "b", opened=5, ended=6))
    courses = _courses(then)
    assert [course.incident.id for course in courses] == [2]


def test_a_maintenance_window_suppresses_until_it_closes() -> None:
    """Every Wednesday from 11:00 to 12:05; the outage begins at noon."""
    quiet = rule(
        "quiet",
        priority=1,
        then=Then(step="suppress", reason="maintenance"),
        joins=(Join(fact="maintenance", same=("project",), within=timedelta(minutes=1)),),
    )
    window = {"weekly": "wed 11:00-12:05", "timezone": "UTC", "reason": "backup"}
    then = past(incident(1, ended=350), projects=(project("a", maintenance=[window]),))
    (course,) = _courses(then, rules=book(rule(), quiet))
    assert told(course) == [(0, "suppress", "matched"), (300, "run", "matched")]


def test_a_rule_for_incidents_older_than_any_never_holds() -> None:
    ancient = When(kinds=("down",), all=(Test(field="age_s", operator="gte", operand=9e13),))
    (course,) = _courses(incident(1, ended=650), rules=book(rule(when=ancient)))
    assert told(course) == [(0, "escalate", "no_rule")]
