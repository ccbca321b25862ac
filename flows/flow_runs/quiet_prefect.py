"""Prefect's client as a guest in the hub: quick, silent, and without a word to anybody else."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prefect.settings import temporary_settings

_LOGGING = Path(__file__).with_name("quiet_prefect.yaml")


@contextmanager
def quiet_prefect(api_url: str) -> Iterator[None]:
    """Apply our settings to everything Prefect does in this thread.

    Prefect's own engine must be imported within, for it takes over the process's logging when
    it is; our logging file keeps it from that.
    """
    settings = {
        "api.url": api_url,
        "api.request_timeout": 10.0,
        "client.csrf_support_enabled": False,
        "client.max_retries": 2,  # an answer of 503 is usual for a server on SQLite
        "client.server_version_check_enabled": False,
        "flows.heartbeat_frequency": None,  # one thread per run, and a websocket
        "logging.config_path": _LOGGING,
        "logging.to_api.enabled": False,  # the mirror sends a run's lines in one request
        "server.ephemeral.enabled": False,
    }
    with temporary_settings(settings):
        logging.getLogger("prefect.flow_runs").setLevel(logging.CRITICAL)
        yield
