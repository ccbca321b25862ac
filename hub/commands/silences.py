"""`opslore silences …`: what nobody wants to hear of, or to be acted on, for a while."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from config.durations import format_duration
from config.sentences import suggestion
from config.settings import Settings
from data import incidents, projects, silences
from data.database import Database
from data.silences import NewSilence, Silence
from hub.commands.durations import read_duration
from hub.commands.outcome import AsJson, print_error, print_json, print_line, print_table, run
from hub.commands.people import By, Reason
from hub.record_access import open_record
from rules.language.json_schema import KINDS
from rules.language.reading import read_as_far_as_right

LONGEST = timedelta(days=90)

app = typer.Typer(
    help="Silence a project, a tag or a kind of incident for a while.", no_args_is_help=True
)


@app.command("add")
def add_silence(
    *,
    for_: Annotated[
        timedelta,
        typer.Option("--for", parser=read_duration, metavar="DURATION", help="How long, as 2h."),
    ],
    reason: Reason,
    by: By,
    project: Annotated[str | None, typer.Option(help="Of this project.")] = None,
    tag: Annotated[str | None, typer.Option(help="Of the projects with this tag.")] = None,
    kind: Annotated[str | None, typer.Option(help="Of this kind, as in memory.")] = None,
    from_: Annotated[
        datetime | None,
        typer.Option(
            "--from",
            formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S%z"],
            help="When it begins, in local time; now unless told.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Begin a silence; what is given of project, tag and kind must all fit an incident."""
    if project is None and tag is None and kind is None:
        raise typer.BadParameter("give at least one of --project, --tag and --kind")
    if not timedelta() < for_ <= LONGEST:
        raise typer.BadParameter(f"--for must be above 0s and at most {format_duration(LONGEST)}")
    now = datetime.now(UTC)
    starts_at = from_.astimezone(UTC) if from_ else now
    if starts_at + for_ <= now:
        raise typer.BadParameter("the silence would be over already: --from is too long ago")
    new = NewSilence(
        starts_at=starts_at,
        ends_at=starts_at + for_,
        reason=reason,
        created_by=by,
        project=project,
        tag=tag,
        kind=kind,
    )
    number, doubts = run(_add(new))
    for doubt in doubts:
        print_error(doubt)
    if as_json:
        print_json({"silence": number, "outcome": "added"})
    else:
        print_line(
            f"silence {number}: {_what(new)},"
            f" {_local(new.starts_at)} to {_local(new.ends_at)}; `opslore silences end {number}`"
            " ends it before"
        )


@app.command("list")
def list_silences(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many of the newest.")] = 50,
    *,
    as_json: AsJson = False,
) -> None:
    """Show silences, the newest first, also those that are over."""

    async def load() -> list[Silence]:
        async with open_record(Settings()) as database:
            return await silences.list_newest(database, limit=limit)

    found = run(load())
    if as_json:
        print_json(found)
        return
    print_table(
        found,
        {
            "SILENCE": lambda s: str(s.id),
            "STATE": _state,
            "OF": _what,
            "FROM": lambda s: _local(s.starts_at),
            "UNTIL": lambda s: _local(s.ends_at),
            "BY": lambda s: s.created_by,
            "REASON": lambda s: s.reason,
        },
    )


@app.command("end")
def end_silence(
    silence_id: Annotated[int, typer.Argument(metavar="SILENCE", help="Its number.")],
    by: By,
    *,
    as_json: AsJson = False,
) -> None:
    """End a silence before its time."""

    async def end() -> None:
        async with open_record(Settings()) as database:
            await silences.end(database, silence_id, by=by)

    run(end())
    if as_json:
        print_json({"silence": silence_id, "outcome": "ended"})
    else:
        print_line(f"silence {silence_id}: ended")


async def _add(new: NewSilence) -> tuple[int, list[str]]:
    """Add a silence and return its number, and what may be misspelt in it."""
    settings = Settings()
    async with open_record(settings) as database:
        await _must_be_known(database, new.project)
        doubts = [
            *await _doubts_about_tag(database, new.tag),
            *await _doubts_about_kind(database, new.kind, settings),
        ]
        return await silences.add(database, new), doubts


async def _must_be_known(database: Database, project: str | None) -> None:
    """A misspelt project would be silenced in name only.

    Raises:
        ProjectUnknown: no project has this name.
    """
    if project is not None:
        await projects.find(database, project)


async def _doubts_about_tag(database: Database, tag: str | None) -> list[str]:
    tags = {one for spec in await projects.list_specs(database) for one in spec.tags}
    if tag is None or tag in tags:
        return []
    return [f"no project has the tag {tag} so far{suggestion(tag, tags)}"]


async def _doubts_about_kind(database: Database, kind: str | None, settings: Settings) -> list[str]:
    """Kinds are known from what Opslore watches by itself, from the rules, and from incidents."""
    rules, _ = read_as_far_as_right(settings.rule_folders)
    of_rules = (one for rule in rules for one in rule.when.kinds or ())
    kinds = {*KINDS, *of_rules, *await incidents.kinds(database)}
    if kind is None or kind in kinds:
        return []
    return [f"no incident and no rule was of the kind {kind} so far{suggestion(kind, kinds)}"]


def _what(silence: NewSilence | Silence) -> str:
    parts = (silence.project, silence.tag and f"tag {silence.tag}", silence.kind)
    return ", ".join(part for part in parts if part)


def _state(silence: Silence) -> str:
    now = datetime.now(UTC)
    if silence.ends_at <= now:
        return f"ended by {silence.ended_by}" if silence.ended_by else "over"
    return "holds" if silence.starts_at <= now else "to come"


def _local(instant: datetime) -> str:
    return f"{instant.astimezone():%Y-%m-%d %H:%M:%S}"
