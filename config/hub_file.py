"""The hub file: how a hub works, whatever it watches. Every field has a default."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from config.audit import AuditSettings
from config.contacts import Contact, NotificationSettings
from config.durations import Duration, format_duration, limits
from config.errors import ConfigError
from config.healing import HealingSettings
from config.names import Name, Word
from config.section import Section
from config.source_text import read_text
from config.validation import Origin, examine
from config.yaml_source import parse_yaml

Kept = Annotated[Duration, limits("1h", "3650d")]


class ListenSettings(Section):
    """Where the hub itself answers /health, /metrics, /status and /logs."""

    host: Word = "127.0.0.1"
    port: int = Field(default=8790, ge=0, le=65535)


class PollingSettings(Section):
    """How often due projects are claimed, and what a hub holds at a time."""

    cycle: Annotated[Duration, limits("1s", "1h")] = timedelta(seconds=10)
    flush: Annotated[Duration, limits("50ms", "1m")] = timedelta(seconds=1)
    max_concurrent: int = Field(default=512, ge=1, le=10_000)
    lease: Annotated[Duration, limits("1s", "10m")] = timedelta(seconds=10)
    heartbeat: Annotated[Duration, limits("100ms", "5m")] = timedelta(seconds=3)

    @model_validator(mode="after")
    def _renew_in_time(self) -> Self:
        """One heartbeat may be lost before a lease runs out."""
        if self.lease < 2 * self.heartbeat:
            least, lease = format_duration(2 * self.heartbeat), format_duration(self.lease)
            raise ValueError(f"must have a lease of at least two heartbeats, {least}, got {lease}")
        return self


class AnalysisSettings(Section):
    """How often new samples are analysed."""

    every: Annotated[Duration, limits("100ms", "1m")] = timedelta(seconds=1)


class NetworkSuspicionSettings(Section):
    """When the hub takes its own network for what is broken."""

    ratio: float = Field(default=0.6, gt=0, le=1)
    minimum: int = Field(default=3, ge=1, le=10_000)
    within: Annotated[Duration, limits("1s", "1h")] = timedelta(seconds=15)


class RetentionSettings(Section):
    """How long each table keeps its rows before they are in the history files alone, or gone."""

    health: Kept = timedelta(days=14)
    metrics: Kept = timedelta(days=14)
    logs: Kept = timedelta(days=7)
    system_health: Kept = timedelta(days=7)
    events: Kept = timedelta(days=365)
    prefect_runs: Kept = timedelta(days=1)


class PrefectSettings(Section):
    """The Prefect server that `opslore up` starts where PREFECT_API_URL is not set."""

    enabled: bool = True
    host: Word = "127.0.0.1"
    port: int = Field(default=4200, ge=1, le=65535)


class HubSettings(Section):
    """Everything of the hub file."""

    registry: Name = "default"
    listen: ListenSettings = ListenSettings()
    polling: PollingSettings = PollingSettings()
    analysis: AnalysisSettings = AnalysisSettings()
    network_suspicion: NetworkSuspicionSettings = NetworkSuspicionSettings()
    healing: HealingSettings = HealingSettings()
    contacts: dict[Name, Contact] = Field(default_factory=dict)
    notification: NotificationSettings = NotificationSettings()
    audit: AuditSettings = AuditSettings()
    retention: RetentionSettings = RetentionSettings()
    prefect: PrefectSettings = PrefectSettings()


def read_hub(path: Path) -> HubSettings:
    """Return the settings of a file.

    Raises:
        ConfigError: with every fault of the file, by line.
    """
    document = parse_yaml(read_text(path), str(path))
    settings, faults = examine(HubSettings, document.value, Origin(document))
    faults += document.faults
    if settings is None or faults:
        raise ConfigError(sorted(faults, key=lambda fault: fault.line))
    return settings
