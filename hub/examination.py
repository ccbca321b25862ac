"""What `opslore doctor` looks at: one function per question, each with a plain answer."""

import importlib.util
import os
import resource
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx

from config.errors import ConfigError, OpsloreError
from config.hub_file import HubSettings, read_hub
from config.projects_file import read_projects
from config.settings import ROOT, Settings
from data import migrations
from hub.record_access import open_record

PACKAGES = ("config", "data", "rules", "actions", "reasoning", "flows", "dashboard", "hub")
OLDEST_POSTGRES = 14
LEAST_FREE_BYTES = 2_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was found, a line for each fault; `advice` says what to do where it is not well."""

    subject: str
    state: Literal["ok", "warning", "failed"]
    found: str
    advice: str = ""


async def examine(settings: Settings) -> AsyncIterator[Answer]:
    """Look at the machine, the files, the record and the neighbours, cheapest first."""
    yield python_version()
    yield packages()
    yield compiler()
    yield open_files()
    yield disk(settings.home)
    hub, answer = hub_file(settings.hub_file)
    yield answer
    yield projects_file(settings.projects_file)
    yield rule_files(settings, hub if answer.state == "ok" else None)
    yield await record(settings)
    yield await prefect(settings, hub)
    yield own_port(hub)


def python_version() -> Answer:
    found = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    fits = (3, 11) <= sys.version_info[:2] <= (3, 12)
    return Answer(
        subject="Python",
        state="ok" if fits else "failed",
        found=found,
        advice="" if fits else "use Python 3.11 or 3.12: durable-rules does not load on later ones",
    )


def packages() -> Answer:
    """A third-party package named like one of ours would be imported in its place."""
    strangers = []
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        origin = Path(spec.origin) if spec and spec.origin else None
        if origin is None or not origin.resolve().is_relative_to(ROOT):
            strangers.append(f"{name} is {origin}")
    return Answer(
        subject="packages",
        state="failed" if strangers else "ok",
        found="; ".join(strangers) or "all resolve in this repository",
        advice="uninstall the package of that name" if strangers else "",
    )


def compiler() -> Answer:
    """Only needed to install durable-rules, which has no wheel."""
    installed = importlib.util.find_spec("durable") is not None
    return Answer(
        subject="rules engine",
        state="ok" if installed else "failed",
        found="durable-rules is installed" if installed else "durable-rules is missing",
        advice="" if installed else "install a C compiler and the Python headers, then `uv sync`",
    )


def open_files() -> Answer:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = hard == resource.RLIM_INFINITY or hard >= 4_096
    return Answer(
        subject="open files",
        state="ok" if enough else "warning",
        found=f"at most {hard}",
        advice="" if enough else "allow 4,096 or more (ulimit -Hn) for 300 projects and beyond",
    )


def disk(home: Path) -> Answer:
    existing = next(path for path in (home, *home.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    writable = os.access(existing, os.W_OK)
    enough = free >= LEAST_FREE_BYTES
    return Answer(
        subject="home",
        state="failed" if not writable else "ok" if enough else "warning",
        found=f"{home}, {free / 1e9:.1f} GB free" + ("" if writable else ", not writable"),
        advice="" if writable and enough else "set OPSLORE_HOME to a folder with room",
    )


def hub_file(path: Path) -> tuple[HubSettings, Answer]:
    try:
        return read_hub(path), Answer(subject="hub file", state="ok", found=f"{path} is valid")
    except ConfigError as error:
        return HubSettings(), Answer(subject="hub file", state="failed", found=str(error))


def projects_file(path: Path) -> Answer:
    try:
        count = len(read_projects(path))
    except ConfigError as error:
        return Answer(subject="projects file", state="failed", found=str(error))
    return Answer(
        subject="projects file",
        state="ok" if count else "warning",
        found=f"{path} is valid, projects in it: {count}",
        advice="" if count else "describe your projects there, or `opslore projects add`",
    )


def rule_files(settings: Settings, hub: HubSettings | None) -> Answer:
    """Examine the rules and, where the hub file is valid, whom they tell."""
    if importlib.util.find_spec("durable") is None:
        return Answer(subject="rules", state="failed", found="not examined without their engine")
    from rules.checking import check_rules  # noqa: PLC0415 (it loads durable_rules)

    contacts = None if hub is None else hub.contacts
    book, faults = check_rules(settings.rule_folders, contacts=contacts)
    if faults:
        found = "\n".join(map(str, faults))
        return Answer(subject="rules", state="failed", found=found, advice="see docs/rules.md")
    found = f"{settings.rules_folder} is valid, rules in it: {len(book.rules)}"
    return Answer(subject="rules", state="ok", found=found)


async def record(settings: Settings) -> Answer:
    kind = "given Postgres" if settings.database_url else "embedded Postgres"
    try:
        async with open_record(settings, migrate=False) as database:
            row = await database.fetch_one(
                "SELECT current_setting('server_version_num') AS version"
            )
            missing = [step.name for step in await migrations.status(database) if not step.applied]
            latency_ms = await database.latency_ms()
    except OpsloreError as error:
        return Answer(
            subject="record",
            state="failed",
            found=f"{kind}: {error}",
            advice="check OPSLORE_DATABASE_URL" if settings.database_url else "see its log",
        )
    major = int(row["version"]) // 10_000 if row else 0
    if major < OLDEST_POSTGRES:
        return Answer(
            subject="record",
            state="failed",
            found=f"{kind} {major}",
            advice=f"Postgres {OLDEST_POSTGRES} or newer is needed",
        )
    return Answer(
        subject="record",
        state="ok",
        found=f"{kind} {major}, {latency_ms:.1f} ms, "
        + (f"{len(missing)} migrations to apply at the next start" if missing else "up to date"),
    )


async def prefect(settings: Settings, hub: HubSettings) -> Answer:
    if not hub.prefect.enabled and not settings.prefect_api_url:
        return Answer(subject="Prefect", state="ok", found="switched off in the hub file")
    url = settings.prefect_api_url or f"http://{hub.prefect.host}:{hub.prefect.port}/api"
    try:
        async with httpx.AsyncClient(timeout=3) as client:
            answer = await client.get(f"{url}/health")
            answer.raise_for_status()
    except httpx.HTTPError as error:
        found = f"{url} does not answer: {error or type(error).__name__}"
        if settings.prefect_api_url:
            return Answer(
                subject="Prefect", state="warning", found=found, advice="check PREFECT_API_URL"
            )
        return Answer(subject="Prefect", state="ok", found="not running; `opslore up` starts one")
    return Answer(subject="Prefect", state="ok", found=f"{url} answers")


def own_port(hub: HubSettings) -> Answer:
    if hub.listen.port == 0:
        return Answer(subject="own report", state="ok", found="on any free port")
    address = f"{hub.listen.host}:{hub.listen.port}"
    try:
        socket.create_server((hub.listen.host, hub.listen.port)).close()
    except OSError as error:
        return Answer(
            subject="own report",
            state="warning",
            found=f"{address}: {error.strerror}",
            advice="a hub runs there already, or set listen.port in the hub file",
        )
    return Answer(subject="own report", state="ok", found=f"{address} is free")
