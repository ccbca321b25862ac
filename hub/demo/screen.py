"""The demo in a terminal: projects, events as they come, and where to look further."""

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from data.events import Event
from data.projects import Project
from flows.incident_events import lasted

SIGNS = {
    "healthy": ("●", "green"),
    "degraded": ("◆", "yellow"),
    "down": ("■", "red"),
    "unknown": ("○", "dim"),
}
SEVERITY_STYLE = {"info": "", "warning": "yellow", "critical": "red"}


def draw(
    *,
    projects: Sequence[Project],
    events: Sequence[Event],
    addresses: Sequence[tuple[str, str]],
    headline: str,
) -> RenderableType:
    """Return the whole screen. Everything that came from outside is shown as text, not markup."""
    return Group(
        Text(headline, style="bold"),
        Panel(_project_table(projects), title="projects", title_align="left", border_style="dim"),
        Panel(_event_lines(events), title="events", title_align="left", border_style="dim"),
        _address_lines(addresses),
    )


def _project_table(projects: Sequence[Project]) -> Table:
    table = Table(box=None, expand=True, pad_edge=False, header_style="dim")
    for heading, right in (
        ("project", False),
        ("status", False),
        ("since", True),
        ("response", True),
        ("CPU", True),
        ("memory", True),
        ("errors", True),
        ("detail", False),
    ):
        table.add_column(heading, justify="right" if right else "left", no_wrap=True)
    for project in projects:
        sign, style = SIGNS[project.status]
        table.add_row(
            Text(project.name),
            Text(f"{sign} {project.status}", style=style),
            Text(
                lasted(project.status_since, datetime.now(UTC)).partition(".")[0].rstrip("s") + "s"
            ),
            _measure(project.response_ms, "ms", 1_000),
            _measure(project.cpu_percent, "%", 80),
            _measure(project.memory_percent, "%", 85),
            _measure(project.error_rate_percent, "%", 5, digits=1),
            Text(project.status_detail or "", style="dim"),
        )
    return table


def _event_lines(events: Sequence[Event]) -> RenderableType:
    if not events:
        return Text("nothing has happened yet", style="dim")
    return Group(
        *(
            Text(
                f"{event.occurred_at.astimezone():%H:%M:%S}  {event.kind:<18} {event.message}",
                style=SEVERITY_STYLE[event.severity],
                no_wrap=True,
                overflow="ellipsis",
            )
            for event in events
        )
    )


def _address_lines(addresses: Sequence[tuple[str, str]]) -> Text:
    lines = Text()
    for name, address in addresses:
        lines.append(f"{name:<12}", style="dim")
        lines.append(f"{address}\n")
    lines.append("Ctrl-C ends everything", style="dim")
    return lines


def _measure(value: float | None, unit: str, limit: float, *, digits: int = 0) -> Text:
    if value is None:
        return Text("–", style="dim")
    return Text(f"{value:.{digits}f} {unit}", style="bold yellow" if value > limit else "")
