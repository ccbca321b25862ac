"""Where a matched rule stands, as far as only the settings and the rule itself say."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from config.healing import HealingSettings
from config.projects_file import validate_project
from data.brake import Brake
from data.circumstances import Act, Circumstances, IncidentNow
from flows.healing.candidates import candidate_of
from flows.healing.fleet import Fleet
from rules.engine import Match
from rules.language.reading import read_rules

NOW = datetime(2026, 3, 14, 12, tzinfo=UTC)
RULE = """
rules:
  - name: restart-what-is-down
    when: {{kind: down}}
    then: {{action: restart{more}}}
    examples: [{{given: {{kind: down}}, expect: run}}, {{given: {{kind: cpu}}, expect: no_match}}]
"""
RESTART = {"driver": "http", "url": "http://127.0.0.1:1/restart"}
PROJECT = validate_project(
    {"name": "a", "url": "http://a", "autonomy": "auto", "actions": {"restart": RESTART}}
)
INCIDENT = IncidentNow(
    id=2,
    project="a",
    hub="h",
    kind="down",
    severity="critical",
    state="open",
    title="a is down",
    opened_at=NOW,
    updated_at=NOW,
    resolved_at=None,
    resolution=None,
    acknowledged_at=None,
    cause_id=None,
    cause_title=None,
    is_explained=False,
    status="down",
    version=None,
)
HELPED_10_S_AGO = Act(
    project="a",
    action="restart",
    purpose="heal",
    state="completed",
    executing_at=NOW - timedelta(seconds=20),
    finished_at=NOW - timedelta(seconds=10),
    succeeded=True,
    incident_id=1,
)


def _around(*acts: Act) -> Circumstances:
    return Circumstances(
        now=NOW,
        incident=INCIDENT,
        anomaly=None,
        metrics={},
        attempts=(),
        incidents=(),
        deploys=(),
        nearby_attempts=(),
        silences=(),
        acts=acts,
        unfinished=(),
        acted_projects=frozenset(),
        brake=Brake(stopped=False, by="", reason="", at=NOW),
        network_is_suspected=False,
    )


@pytest.mark.parametrize(
    ("more", "hold"),
    [("", "cooling_down"), (", cooldown: 0s", "none"), (", cooldown: 5s", "none")],
)
def test_the_cooldown_of_a_rule_goes_before_that_of_the_hub_even_if_it_is_none(
    tmp_path: Path, more: str, hold: str
) -> None:
    (tmp_path / "own.yaml").write_text(RULE.format(more=more))
    (rule,) = read_rules([tmp_path]).rules
    candidate = candidate_of(
        Match(rule=rule, facts=()), _around(HELPED_10_S_AGO), Fleet([PROJECT]), HealingSettings()
    )
    assert candidate.standing.hold == hold
