"""A new version is a deploy; a restart is not."""

from datetime import UTC, datetime, timedelta
from typing import Any

from data.records import StatusReport
from flows.health import deploys

START = datetime(2026, 1, 1, tzinfo=UTC)


def _report(**said: Any) -> StatusReport:
    return StatusReport(project="a", recorded_at=START, **said)


def _event(known: StatusReport, report: StatusReport) -> dict[str, Any] | None:
    event = deploys.event("h", "health-monitor", known.as_reported(), report)
    return dict(event.details) if event else None


def test_another_version_is_a_deploy() -> None:
    assert _event(_report(version="1"), _report(version="2")) == {
        "from_version": "1",
        "to_version": "2",
    }


def test_the_same_version_deployed_again_is_a_deploy() -> None:
    before = _report(version="1", started_at=START, deployed_at=START - timedelta(days=2))
    after = _report(version="1", started_at=START, deployed_at=START - timedelta(days=1))
    assert _event(before, after) is not None


def test_a_restart_is_none() -> None:
    later = START + timedelta(hours=1)
    before = _report(version="1", started_at=START, deployed_at=START)
    after = _report(version="1", started_at=later, deployed_at=later)
    assert _event(before, after) is None
    assert deploys.differs(before.as_reported(), after)


def test_the_first_report_is_none() -> None:
    assert deploys.event("h", "health-monitor", {}, _report(version="1")) is None
