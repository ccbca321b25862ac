"""`opslore approvals …`: what waits for a person, and the decision."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from actions import approving
from config.durations import format_duration
from config.errors import OpsloreError
from config.hub_file import read_hub
from config.settings import Settings
from data import attempts
from data.attempts import Attempt, AttemptDecided
from hub.approval_access import approval_links
from hub.commands.attempts_table import short_id
from hub.commands.brake import warn_if_stopped
from hub.commands.outcome import AsJson, print_json, print_line, print_table, run
from hub.commands.people import By, MaybeReason, Reason
from hub.record_access import open_record

app = typer.Typer(help="Approve or reject what waits for a person.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ATTEMPT", help="The id of the attempt, or its start.")]
MOST = 1_000


class NoAddress(OpsloreError):
    """Nobody knows where a link would lead."""


@app.command("list")
def list_approvals(*, as_json: AsJson = False) -> None:
    """Show what waits for a decision, the oldest first."""

    async def load() -> list[Attempt]:
        async with open_record(Settings()) as database:
            if not as_json:
                await warn_if_stopped(database)
            return await attempts.list_newest(database, state="pending", limit=MOST)

    waiting = [attempt for attempt in reversed(run(load())) if not _has_run_out(attempt)]
    if as_json:
        print_json(waiting)
        return
    print_table(
        waiting,
        {
            "ATTEMPT": short_id,
            "PROJECT": lambda a: a.project,
            "ACTION": lambda a: a.action,
            "RISK": lambda a: a.risk,
            "RULE": lambda a: a.rule or "–",
            "INCIDENT": lambda a: str(a.incident_id or "–"),
            "LEFT": _left,
            "WHY": lambda a: a.reason,
        },
    )


@app.command("approve")
def approve(attempt: Id, by: By, reason: MaybeReason = None, *, as_json: AsJson = False) -> None:
    """Approve an attempt; a hub carries it out at once."""
    _told(run(_decide(attempt, approve=True, by=by, reason=reason or "")), as_json=as_json)


@app.command("reject")
def reject(attempt: Id, by: By, reason: Reason, *, as_json: AsJson = False) -> None:
    """Reject an attempt; its incident is a person's from now on."""
    _told(run(_decide(attempt, approve=False, by=by, reason=reason)), as_json=as_json)


@app.command("link")
def link(
    attempt: Id,
    by: Annotated[str, typer.Option("--by", help="Who decides with it; the record will say so.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Print the link with which somebody can decide in a browser; who has it can decide."""
    settings = Settings()
    links = approval_links(settings, read_hub(settings.hub_file))

    async def find() -> Attempt:
        async with open_record(settings) as database:
            return await attempts.find_by_prefix(database, attempt)

    found = run(find())
    if found.state != "pending" or _has_run_out(found):
        raise AttemptDecided(f"attempt {short_id(found)} does not wait for a decision")
    url = links.link_for(found.id, by, found.expires_at)
    if url is None:
        raise NoAddress(
            "hubs here listen on any free port: set notification.public_url in the hub file"
        )
    if as_json:
        print_json({"attempt": found.id, "by": by, "link": url, "expires_at": found.expires_at})
    else:
        print_line(url)


async def _decide(prefix: str, *, approve: bool, by: str, reason: str) -> Attempt:
    async with open_record(Settings()) as database:
        found = await attempts.find_by_prefix(database, prefix)
        return await approving.decide(database, found.id, approve=approve, by=by, reason=reason)


def _told(decided: Attempt, *, as_json: bool) -> None:
    if as_json:
        print_json(decided)
    else:
        print_line(
            f"{decided.action} {decided.project}: {decided.state} by {decided.decided_by}"
            f" (attempt {short_id(decided)})"
        )


def _has_run_out(attempt: Attempt) -> bool:
    return attempt.expires_at is not None and attempt.expires_at <= datetime.now(UTC)


def _left(attempt: Attempt) -> str:
    if attempt.expires_at is None:
        return "–"
    left_s = (attempt.expires_at - datetime.now(UTC)).total_seconds()
    return format_duration(timedelta(seconds=max(0, round(left_s))))
