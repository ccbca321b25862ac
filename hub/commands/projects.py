"""`opslore projects …`: the registry from the command line."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from config.durations import format_duration
from config.projects_file import validate_project
from config.settings import Settings
from data import projects, samples
from data.projects import Project
from hub.commands.outcome import AsJson, print_json, print_line, print_table, run
from hub.record_access import open_record

app = typer.Typer(help="List, add, remove, pause and resume projects.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The project's name.")]


@app.command("list")
def list_projects(*, as_json: AsJson = False) -> None:
    """Show every project: status, newest measurements, uptime of the last 24 hours."""
    run(_list(as_json=as_json))


async def _list(*, as_json: bool) -> None:
    async with open_record(Settings()) as database:
        found = await projects.list_all(database)
        uptime = await samples.uptime_percent(database, datetime.now(UTC) - timedelta(days=1))
    if as_json:
        print_json(
            [_as_json(project, uptime.get(project.name)) for project in found],
        )
        return
    print_table(
        found,
        {
            "PROJECT": lambda p: p.name,
            "STATUS": lambda p: "paused" if p.paused else p.status,
            "SINCE": lambda p: _ago(p.status_since),
            "UPTIME 24H": lambda p: _percent(uptime.get(p.name), 2),
            "RESPONSE": lambda p: f"{p.response_ms:.0f} ms" if p.response_ms is not None else "–",
            "CPU": lambda p: _percent(p.cpu_percent),
            "MEMORY": lambda p: _percent(p.memory_percent),
            "ERRORS": lambda p: _percent(p.error_rate_percent, 1),
            "HUB": lambda p: p.leased_by or "–",
            "OWNER": lambda p: p.source,
            "DETAIL": lambda p: p.status_detail or "",
        },
    )


@app.command("add")
def add_project(
    name: Name,
    url: Annotated[str, typer.Argument(help="Where it answers, as in http://127.0.0.1:8000.")],
    tag: Annotated[list[str] | None, typer.Option(help="A tag; may be given again.")] = None,
    health_path: Annotated[str, typer.Option(help="The path of its health.")] = "/health",
    metrics_path: Annotated[str, typer.Option(help="The path of its metrics.")] = "/metrics",
    *,
    as_json: AsJson = False,
) -> None:
    """Register a project in the database; every hub polls it from now on."""
    spec = validate_project(
        {
            "name": name,
            "url": url,
            "tags": tag or [],
            "paths": {"health": health_path, "metrics": metrics_path},
        }
    )

    async def add() -> None:
        async with open_record(Settings()) as database:
            await projects.add(database, spec)

    run(add())
    _told(name, "added", as_json=as_json)


@app.command("remove")
def remove_project(name: Name, *, as_json: AsJson = False) -> None:
    """Remove a project that was added here; its history stays."""

    async def remove() -> None:
        async with open_record(Settings()) as database:
            await projects.remove(database, name)

    run(remove())
    _told(name, "removed", as_json=as_json)


@app.command("pause")
def pause_project(name: Name, *, as_json: AsJson = False) -> None:
    """Stop polling a project, whoever owns it, until it is resumed."""
    changed = run(_set_paused(name, paused=True))
    _told(name, "paused" if changed else "was paused already", as_json=as_json)


@app.command("resume")
def resume_project(name: Name, *, as_json: AsJson = False) -> None:
    """Poll a paused project again."""
    changed = run(_set_paused(name, paused=False))
    _told(name, "resumed" if changed else "was not paused", as_json=as_json)


async def _set_paused(name: str, *, paused: bool) -> bool:
    async with open_record(Settings()) as database:
        return await projects.set_paused(database, name, paused=paused)


def _told(name: str, what: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"project": name, "outcome": what})
    else:
        print_line(f"{name}: {what}")


def _as_json(project: Project, uptime_percent: float | None) -> dict[str, object]:
    return {
        "name": project.name,
        "status": project.status,
        "status_since": project.status_since,
        "status_detail": project.status_detail,
        "paused": project.paused,
        "owner": project.source,
        "hub": project.leased_by,
        "uptime_24h_percent": uptime_percent,
        "probed_at": project.probed_at,
        "response_ms": project.response_ms,
        "cpu_percent": project.cpu_percent,
        "memory_percent": project.memory_percent,
        "error_rate_percent": project.error_rate_percent,
        "reported": dict(project.reported),
        "spec": project.spec.model_dump(mode="json", by_alias=True),
    }


def _percent(value: float | None, digits: int = 0) -> str:
    return "–" if value is None else f"{value:.{digits}f} %"


def _ago(at: datetime) -> str:
    return format_duration(timedelta(seconds=round((datetime.now(UTC) - at).total_seconds())))
