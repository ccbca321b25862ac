"""Everything that is known of one incident, as text and as JSON."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final

from actions.notification import plain_text
from data import anomalies, attempts, escalations, events, incidents, notices, rule_decisions
from data.anomalies import Anomaly
from data.attempts import Attempt
from data.database import Database
from data.escalations import Escalation
from data.events import Event
from data.incidents import Incident
from data.notices import Notice
from data.rule_decisions import Decision
from flows.healing.reasons import words_for
from flows.incident_events import lasted
from hub.commands.attempts_table import STYLES, one_line
from hub.commands.outcome import print_line

_MOST_NOTICES: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """An incident with what was measured, decided, tried and told in it, each in order."""

    incident: Incident
    anomalies: Sequence[Anomaly]
    decisions: Sequence[Decision]
    attempts: Sequence[Attempt]
    escalation: Escalation | None
    notices: Sequence[Notice]
    events: Sequence[Event]


async def load(database: Database, incident_id: int) -> Story:
    """Return the story of an incident.

    Raises:
        IncidentUnknown: there is none of this number.
    """
    incident = await incidents.find(database, incident_id)
    async with database.connection() as connection:
        tried = await attempts.of_incident(connection, incident_id)
    return Story(
        incident=incident,
        anomalies=await anomalies.of_incident(database, incident_id),
        decisions=await rule_decisions.of_incident(database, incident_id),
        attempts=tried,
        escalation=await escalations.find(database, incident_id),
        notices=await notices.list_newest(database, incident_id=incident_id, limit=_MOST_NOTICES),
        events=await events.of_incident(database, incident_id),
    )


def as_json(story: Story) -> dict[str, object]:
    decisions = [{**asdict(one), "reason_in_words": _why(one)} for one in story.decisions]
    whole = {**asdict(story), "decisions": decisions}
    del whole["notices"]
    return whole


def print_story(story: Story) -> None:
    incident = story.incident
    print_line(f"incident {incident.id}: {incident.title}", "bold")
    print_line(
        f"{incident.state}, {incident.severity}, opened {_local(incident.opened_at)}, lasted"
        f" {lasted(incident.opened_at, incident.resolved_at or datetime.now(UTC))}"
        + (f", {incident.resolution}" if incident.resolution else "")
    )
    if incident.cause_incident_id:
        print_line(f"explained by incident {incident.cause_incident_id}")
    if incident.acknowledged_at:
        at = _local(incident.acknowledged_at)
        print_line(f"acknowledged by {incident.acknowledged_by} at {at}")
    if story.escalation:
        print_line(_told(story.escalation, story.notices))
    for anomaly in story.anomalies:
        print_line(f"  {anomaly.metric}: {anomaly.reason}; the worst was {anomaly.extreme:.4g}")
    for line in _decided(story.decisions):
        print_line(f"  {line}")
    for attempt in story.attempts:
        print_line(f"  {one_line(attempt)}", STYLES.get(attempt.state))
    for event in story.events:
        print_line(f"  {event.occurred_at.astimezone():%H:%M:%S}  {event.kind:<18} {event.message}")


def _decided(decisions: Sequence[Decision]) -> Iterator[str]:
    for one in decisions:
        rule = f" by rule {one.rule}" if one.rule else ""
        wish = f": {one.action} {one.target}" if one.action and one.target else ""
        yield (
            f"{_local(one.decided_at)}  decided{rule}{wish}: {one.step.replace('_', ' ')},"
            f" {_why(one)} (rules {one.rules_version})"
        )


def _why(decision: Decision) -> str:
    """Return the reason in the words that people were told it in."""
    words, problem = words_for(decision.step, decision.reason), _problem(decision)
    said = _own_words(decision) or words
    return f"{said} ({problem})" if problem else said


def _own_words(decision: Decision) -> str | None:
    """Return the reason that the rule itself gives, where it does more than match."""
    matched = decision.details.get("matched", ())
    own = (one.get("says") for one in matched if one.get("rule") == decision.rule)
    return next(own, None) if decision.reason == "matched" else None


def _problem(decision: Decision) -> str | None:
    """Return what kept the rule that decided from being followed, if anything."""
    matched = decision.details.get("matched", ())
    return next((one.get("problem") for one in matched if one.get("rule") == decision.rule), None)


def _told(escalation: Escalation, every: Sequence[Notice]) -> str:
    """Return whom the chain of people reached and whom not, and what is to come."""
    told = "; ".join(_outcomes(one for one in every if one.purpose == "escalation"))
    if escalation.stopped_at:
        by = f" by {escalation.stopped_by}" if escalation.stopped_by else ""
        end = f"{escalation.stop_reason}{by} at {_local(escalation.stopped_at)}"
    elif escalation.next_at:
        end = f"goes on at {_local(escalation.next_at)}"
    else:
        end = "nobody else is to be told"
    return f"escalated at {_local(escalation.started_at)}: {told}; {end}"


def _outcomes(told: Iterable[Notice]) -> Iterator[str]:
    """Return who was told, who could not be and who is still to be, each contact once.

    `told` begins with the newest; the last that became of a contact's notices counts, unless one
    arrived before.
    """
    of: dict[str, list[Notice]] = {}
    for one in told:
        of.setdefault(one.contact or "nobody", []).append(one)
    reached = [name for name, those in of.items() if any(one.sent_at for one in those)]
    newest = {name: those[0] for name, those in of.items() if name not in reached}
    lost = [_why_lost(name, one) for name, one in newest.items() if _is_over(one)]
    waiting = [_why_lost(name, one) for name, one in newest.items() if not _is_over(one)]
    yield f"told {', '.join(reached) or 'nobody'}"
    if lost:
        yield f"not reached: {', '.join(lost)}"
    if waiting:
        yield f"waiting: {', '.join(waiting)}"


def _is_over(one: Notice) -> bool:
    return one.given_up_at is not None or one.left_out_at is not None


def _why_lost(name: str, one: Notice) -> str:
    return f"{name} ({plain_text.one_line(one.last_error)})" if one.last_error else name


def _local(instant: datetime) -> str:
    return f"{instant.astimezone():%Y-%m-%d %H:%M:%S}"
