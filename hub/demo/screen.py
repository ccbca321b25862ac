"""The demo in a terminal: projects, events as they come, and where to look further."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from config.durations import format_duration
from data.events import Event
from data.projects import Project
from hub.visible_text import visible

SIGNS = {
    "healthy": ("●", "green"),
    "degraded": ("◆", "yellow"),
    "down": ("■", "red"),
    "unknown": ("○", "dim"),
}
SEVERITY_STYLE = {"info": "", "warning": "yellow", "critical": "red"}
COLUMNS = {"response": 8, "CPU": 5, "memory": 6, "errors": 7}
FRAMES = 7
"""Rows that are neither a project, an event nor an address, the one for the cursor included."""
FEWEST_EVENTS = 3


def draw(
    *,
    projects: Sequence[Project],
    events: Sequence[Event],
    addresses: Sequence[tuple[str, str]],
    headline: str,
    rows: int,
) -> RenderableType:
    """Return the whole screen, with as many of the newest events as fit into `rows`.

    Nothing wraps: what is too long ends in an ellipsis. Everything that came from outside is
    shown as text.
    """
    room = max(FEWEST_EVENTS, rows - FRAMES - len(projects) - len(addresses))
    return Group(
        _headline(headline),
        _panel("projects", _project_table(projects)),
        _panel("events", _event_lines(events[-room:])),
        *_address_lines(addresses),
    )


def _panel(title: str, content: RenderableType) -> Panel:
    return Panel(content, title=title, title_align="left", border_style="dim")


def _headline(text: str) -> Table:
    line = Table.grid(expand=True, padding=(0, 2))
    line.add_column(ratio=1, no_wrap=True)
    line.add_column(no_wrap=True)
    line.add_row(Text(text, style="bold"), Text("Ctrl-C ends it", style="dim"))
    return line


def _project_table(projects: Sequence[Project]) -> Table:
    table = Table(box=None, expand=True, pad_edge=False, header_style="dim")
    table.add_column("project", no_wrap=True)
    table.add_column("status", no_wrap=True, min_width=len("● degraded"))
    table.add_column("since", no_wrap=True, min_width=6, justify="right")
    for heading, width in COLUMNS.items():
        table.add_column(heading, no_wrap=True, min_width=width, justify="right")
    table.add_column("detail", no_wrap=True, ratio=1)
    for project in projects:
        sign, style = SIGNS[project.status]
        table.add_row(
            Text(visible(project.name)),
            Text(f"{sign} {project.status}", style=style),
            Text(_age(project.status_since)),
            _measure(project.response_ms, "ms", 1_000),
            _measure(project.cpu_percent, "%", 80),
            _measure(project.memory_percent, "%", 85),
            _measure(project.error_rate_percent, "%", 5, digits=1),
            Text(visible(project.status_detail or ""), style="dim"),
        )
    return table


def _event_lines(events: Sequence[Event]) -> RenderableType:
    if not events:
        return Text("nothing has happened yet", style="dim")
    return Group(*map(_event_line, events))


def _event_line(event: Event) -> Text:
    at = f"{event.recorded_at.astimezone():%H:%M:%S}"
    return Text(
        f"{at}  {event.kind:<18} {visible(event.message)}",
        style=SEVERITY_STYLE[event.severity],
        no_wrap=True,
        overflow="ellipsis",
    )


def _address_lines(addresses: Sequence[tuple[str, str]]) -> list[Text]:
    width = max(len(name) for name, _ in addresses)
    return [
        Text.assemble((f"{name:<{width}}  ", "dim"), address, no_wrap=True, overflow="ellipsis")
        for name, address in addresses
    ]


def _age(since: datetime) -> str:
    age_s = round((datetime.now(UTC) - since).total_seconds())
    return format_duration(timedelta(seconds=max(0, age_s)))


def _measure(value: float | None, unit: str, limit: float, *, digits: int = 0) -> Text:
    if value is None:
        return Text("–", style="dim")
    return Text(f"{value:.{digits}f} {unit}", style="bold yellow" if value > limit else "")
