"""`opslore check`: is what I wrote valid, and do the running hubs use it?"""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import typer

from config import secret_values
from config.errors import ConfigError, Fault, OpsloreError
from config.hub_file import read_hub
from config.projects_file import ProjectSpec, read_projects
from config.settings import Settings
from data import system_health
from data.system_health import Vitals
from hub.commands.outcome import EXIT_FAILED, AsJson, print_json, print_line
from hub.record_access import embedded_postgres, open_record


def check(*, as_json: AsJson = False) -> None:
    """Validate the configuration files; exit with 1 and every fault when there is one."""
    settings = Settings()
    faults = _faults(settings.hub_file, read_hub)
    specs: tuple[ProjectSpec, ...] = ()
    with suppress(ConfigError):
        specs = read_projects(settings.projects_file)
    faults += _faults(settings.projects_file, read_projects)
    warnings = [*_missing_secrets(specs), *asyncio.run(_rejected_by_hubs(settings))]
    if as_json:
        print_json({"projects": len(specs), "faults": faults, "warnings": warnings})
    else:
        for fault in faults:
            print_line(str(fault), "red")
        for warning in warnings:
            print_line(warning, "yellow")
        if not faults:
            print_line(f"{settings.projects_file} is valid, projects in it: {len(specs)}")
    if faults:
        raise typer.Exit(EXIT_FAILED)


def _faults(path: Path, read: Callable[[Path], object]) -> list[Fault]:
    try:
        read(path)
    except ConfigError as error:
        return list(error.faults)
    return []


def _missing_secrets(specs: tuple[ProjectSpec, ...]) -> list[str]:
    return [
        f"projects.{spec.name}.headers.{header}: neither {name} nor {name}_FILE is set here"
        for spec in specs
        for header, template in spec.headers.items()
        for name in secret_values.names(template)
        if name not in os.environ and f"{name}_FILE" not in os.environ
    ]


async def _rejected_by_hubs(settings: Settings) -> list[str]:
    """Ask the record, if it is up, which hubs refuse their files; an absent record is no fault."""
    if not settings.database_url and embedded_postgres(settings).postmaster_pid is None:
        return []
    latest: list[Vitals] = []
    with suppress(OpsloreError):
        async with open_record(settings, migrate=False) as database:
            latest = await system_health.latest(database)
    return [
        f"hub {vitals.hub} keeps its last good configuration: {line}"
        for vitals in latest
        for line in (vitals.config_error or "").splitlines()
    ]
