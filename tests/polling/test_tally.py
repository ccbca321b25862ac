"""A cycle in one line, as it stands on its flow run."""

from datetime import UTC, datetime

from data.records import HealthSample, MetricSample
from flows.polling.tally import Tally, percentile

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_calm_cycle_says_how_much_and_how_fast() -> None:
    tally = Tally()
    for ms in range(1, 21):
        tally.note_probe(
            HealthSample(project=f"p{ms}", recorded_at=NOW, status="healthy", response_ms=ms)
        )
    assert tally.summary(20) == "20 projects, 20 probes, 0 scrapes, p95 19 ms"


def test_trouble_is_counted_until_it_is_over() -> None:
    tally = Tally()
    down = HealthSample(project="a", recorded_at=NOW, status="down", detail="connection refused")
    tally.note_probe(down)
    tally.note_scrape(MetricSample(project="a", recorded_at=NOW, detail="connection refused"))
    assert tally.unwell == {"a": "down: connection refused"}
    assert tally.summary(1) == "1 projects, 1 probes, 1 scrapes, 1 of them failed, 1 not healthy"
    tally.note_probe(HealthSample(project="a", recorded_at=NOW, status="healthy"))
    assert tally.unwell == {}


def test_the_percentile_is_one_of_the_values() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([1.0], 0.95) == 1.0
