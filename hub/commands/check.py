"""`opslore check`: is what I wrote valid, and do the running hubs use it?"""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import typer

from config import secret_values
from config.errors import ConfigError, Fault, OpsloreError
from config.hub_file import HubSettings, read_hub
from config.projects_file import ProjectSpec, read_projects
from config.settings import Settings
from data import brake, system_health
from data.system_health import Vitals
from hub.commands.brake import stopped_in_words
from hub.commands.outcome import EXIT_FAILED, AsJson, print_json, print_line
from hub.commands.rule_book import run_all_examples
from hub.commands.rule_sources import read_places, unknown_in_hub, unknown_in_rules
from hub.record_access import embedded_postgres, open_record
from rules.rule import RuleBook


def check(*, as_json: AsJson = False) -> None:
    """Validate the configuration files; exit with 1 and every fault when there is one."""
    settings = Settings()
    hub, faults = _hub(settings)
    specs: tuple[ProjectSpec, ...] = ()
    with suppress(ConfigError):
        specs = read_projects(settings.projects_file)
    faults += _faults(settings.projects_file, read_projects)
    book, rule_faults = _rules(settings, hub)
    faults += rule_faults
    warnings = [*_missing_secrets(specs, hub), *asyncio.run(_told_by_record(settings))]
    if as_json:
        print_json({"projects": len(specs), "faults": faults, "warnings": warnings})
    else:
        for fault in faults:
            print_line(str(fault), "red")
        for warning in warnings:
            print_line(warning, "yellow")
        if not faults:
            print_line(f"{settings.rules_folder} is valid, rules in it: {len(book.rules)}")
            print_line(f"{settings.projects_file} is valid, projects in it: {len(specs)}")
    if faults:
        raise typer.Exit(EXIT_FAILED)


def _faults(path: Path, read: Callable[[Path], object]) -> list[Fault]:
    try:
        read(path)
    except ConfigError as error:
        return list(error.faults)
    return []


def _hub(settings: Settings) -> tuple[HubSettings | None, list[Fault]]:
    """Read the hub file and see that its chain tells contacts that it has."""
    try:
        hub = read_hub(settings.hub_file)
    except ConfigError as error:
        return None, list(error.faults)
    return hub, unknown_in_hub(settings.hub_file, hub)


def _rules(settings: Settings, hub: HubSettings | None) -> tuple[RuleBook, list[Fault]]:
    """Read the rules, run their examples, see that they tell contacts of a valid hub file."""
    try:
        book = read_places([], settings)
    except ConfigError as error:
        return RuleBook(rules=(), version=""), list(error.faults)
    return book, [*run_all_examples(book), *(unknown_in_rules(book, hub) if hub else [])]


def _missing_secrets(specs: tuple[ProjectSpec, ...], hub: HubSettings | None) -> list[str]:
    return [
        f"{field}: neither {name} nor {name}_FILE is set here"
        for field, template in _templates(specs, hub)
        for name in secret_values.names(template)
        if name not in os.environ and f"{name}_FILE" not in os.environ
    ]


def _templates(
    specs: tuple[ProjectSpec, ...], hub: HubSettings | None
) -> Iterator[tuple[str, str]]:
    """Yield everything that may need a secret, with the field it is in."""
    for spec in specs:
        for header, template in spec.headers.items():
            yield f"projects.{spec.name}.headers.{header}", template
    for name, contact in (hub.contacts if hub else {}).items():
        for template in contact.urls:
            yield f"contacts.{name}.urls", template


async def _told_by_record(settings: Settings) -> list[str]:
    """Ask the record, if it is up: which hubs refuse their files, and is the brake pulled.

    An absent record is no fault.
    """
    if not settings.database_url and embedded_postgres(settings).postmaster_pid is None:
        return []
    latest: list[Vitals] = []
    told: list[str] = []
    with suppress(OpsloreError):
        async with open_record(settings, migrate=False) as database:
            latest = await system_health.latest(database)
            async with database.connection() as connection:
                held = await brake.read(connection)
            told = [stopped_in_words(held)] if held.stopped else []
    return told + [
        f"hub {vitals.hub} keeps its last good configuration: {line}"
        for vitals in latest
        for line in (vitals.config_error or "").splitlines()
    ]
