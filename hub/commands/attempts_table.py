"""How attempts are shown: in a table, and one in full."""

from collections.abc import Sequence
from datetime import UTC, datetime

from data.attempts import Attempt
from data.interventions import Step
from flows.incident_events import lasted
from hub.commands.outcome import print_line, print_table

STYLES = {"failed": "red", "unknown": "yellow", "rejected": "yellow", "expired": "yellow"}


def short_id(attempt: Attempt) -> str:
    """Return the start of the id, which the commands take for all of it."""
    return str(attempt.id)[:8]


def print_attempts(found: Sequence[Attempt]) -> None:
    print_table(
        found,
        {
            "ATTEMPT": short_id,
            "REQUESTED": lambda a: _local(a.requested_at),
            "STATE": state_in_words,
            "PROJECT": lambda a: a.project,
            "ACTION": lambda a: a.action,
            "FOR": lambda a: a.purpose.replace("_", " "),
            "INCIDENT": lambda a: str(a.incident_id or "–"),
            "BY": lambda a: a.rule or a.requested_by,
            "OUTCOME": lambda a: a.outcome or "",
        },
    )


def state_in_words(attempt: Attempt) -> str:
    return f"{attempt.state} (dry run)" if attempt.dry_run else attempt.state


def print_attempt(attempt: Attempt, steps: Sequence[Step]) -> None:
    """Print an attempt in full, and below it what the audit chain says of it."""
    print_line(f"attempt {attempt.id}: {attempt.action} {attempt.project}", "bold")
    print_line(
        f"{state_in_words(attempt)}, for {attempt.purpose.replace('_', ' ')},"
        f" risk {attempt.risk}, attempt {attempt.number}",
        STYLES.get(attempt.state),
    )
    for name, value in _facts(attempt):
        print_line(f"  {name:<11} {value}")
    for step in steps:
        print_line(
            f"  {_local(step.recorded_at)}  {step.from_state or 'new':<9} → {step.to_state:<11}"
            f" {step.actor}: {step.reason}"
        )


def one_line(attempt: Attempt) -> str:
    """Return what was tried and what came of it, for a list below an incident."""
    began = attempt.executing_at or attempt.requested_at
    took = lasted(began, attempt.finished_at or datetime.now(UTC))
    outcome = f", {attempt.outcome}" if attempt.outcome else ""
    return (
        f"{_local(began)}  {attempt.action} {attempt.project}, attempt {attempt.number}"
        f" ({short_id(attempt)}): {state_in_words(attempt)} after {took}{outcome}"
    )


def _facts(attempt: Attempt) -> list[tuple[str, str]]:
    given = [
        ("why", attempt.reason),
        ("asked by", attempt.requested_by),
        ("rule", attempt.rule and f"{attempt.rule} (rules {attempt.rules_version})"),
        ("incident", attempt.incident_id),
        ("undoes", attempt.undoes),
        ("parameters", ", ".join(f"{name}={value}" for name, value in attempt.parameters.items())),
        ("decide until", attempt.expires_at and _local(attempt.expires_at)),
        ("decided by", attempt.decided_by),
        ("because", attempt.decision_reason),
        ("hub", attempt.hub),
        ("outcome", attempt.outcome),
    ]
    return [(name, str(value)) for name, value in given if value]


def _local(instant: datetime) -> str:
    return f"{instant.astimezone():%Y-%m-%d %H:%M:%S}"
