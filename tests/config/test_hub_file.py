from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from config.hub_file import HubSettings, ListenSettings, PollingSettings, read_hub


def test_every_setting_of_a_hub_has_a_default(tmp_path: Path) -> None:
    path = tmp_path / "hub.yaml"
    path.write_text("registry: team-a\npolling:\nlisten: {port: 0}\n", encoding="utf-8")
    assert read_hub(path) == HubSettings(registry="team-a", listen=ListenSettings(port=0))


def test_a_lease_outlasts_two_heartbeats() -> None:
    second = timedelta(seconds=1)
    assert PollingSettings(lease=2 * second, heartbeat=second).lease == 2 * second
    with pytest.raises(ValidationError, match="at least two heartbeats, 2s, got 1"):
        PollingSettings(lease=1.5 * second, heartbeat=second)
