"""Hubs that watch services, ended with the test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from data.database import Database
from tests.hub.watched import Watched


@pytest.fixture
async def watched(tmp_path: Path, database: Database) -> AsyncIterator[Watched]:
    watched = Watched(tmp_path, database)
    yield watched
    await watched.stop()
    for program in watched.programs:
        await program.kill()
    for service in watched.services:
        await service.crash()
