"""`opslore check`: is what I wrote valid, and do the running hubs use it?"""

import asyncio
import os
from collections.abc import Iterator
from contextlib import suppress

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
from hub.commands.unknown_contacts import unknown_in_hub, unknown_in_projects
from hub.record_access import embedded_postgres, open_record
from rules.rule import RuleBook


def check(*, as_json: AsJson = False) -> None:
    """Validate the configuration files; exit with 1 and every fault when there is one."""
    settings = Settings()
    hub, hub_faults = _hub(settings)
    specs, project_faults = _projects(settings, hub)
    book, rule_faults = _rules(settings, hub, specs)
    faults = [*hub_faults, *project_faults, *rule_faults]
    warnings = [*_missing_secrets(specs or (), hub), *asyncio.run(_told_by_record(settings))]
    if as_json:
        print_json({"projects": len(specs or ()), "faults": faults, "warnings": warnings})
    else:
        for fault in faults:
            print_line(str(fault), "red")
        for warning in warnings:
            print_line(warning, "yellow")
        if hub and not hub_faults:
            print_line(f"{settings.hub_file} is valid, contacts in it: {len(hub.contacts)}")
        if not rule_faults:
            print_line(f"{settings.rules_folder} is valid, rules in it: {len(book.rules)}")
        if specs is not None and not project_faults:
            print_line(f"{settings.projects_file} is valid, projects in it: {len(specs)}")
    if faults:
        raise typer.Exit(EXIT_FAILED)


def _hub(settings: Settings) -> tuple[HubSettings | None, list[Fault]]:
    """Read the hub file and see that its chain tells contacts that it has."""
    try:
        hub = read_hub(settings.hub_file)
    except ConfigError as error:
        return None, list(error.faults)
    return hub, unknown_in_hub(settings.hub_file, hub)


def _projects(
    settings: Settings, hub: HubSettings | None
) -> tuple[tuple[ProjectSpec, ...] | None, list[Fault]]:
    """Read the projects, see that their actions tell contacts of a valid hub file."""
    path = settings.projects_file
    try:
        specs = read_projects(path)
    except ConfigError as error:
        return None, list(error.faults)
    return specs, unknown_in_projects(path, specs, hub) if hub else []


def _rules(
    settings: Settings, hub: HubSettings | None, specs: tuple[ProjectSpec, ...] | None
) -> tuple[RuleBook, list[Fault]]:
    """Read the rules, run their examples, see that valid files have what they name."""
    from rules.checking import check_rules  # noqa: PLC0415 (it loads durable_rules)

    return check_rules(
        settings.rule_folders,
        contacts=None if hub is None else hub.contacts,
        actions=None if specs is None else {name for spec in specs for name in spec.actions},
    )


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
        for name, action in spec.actions.items():
            for at, template in action.secret_templates():
                field = ".".join(map(str, (name, *at)))
                yield f"projects.{spec.name}.actions.{field}", template
    if hub is None:
        return
    for name, contact in hub.contacts.items():
        for template in contact.urls:
            yield f"contacts.{name}.urls", template
    for header, template in hub.audit.anchor_headers.items():
        yield f"audit.anchor_headers.{header}", template


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
