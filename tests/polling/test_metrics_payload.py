import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.projects_file import MetricSource
from flows.polling.payloads.metrics_payload import MetricsReader, Reading

FIELDS = ("cpu_percent", "memory_percent", "error_rate_percent", "response_ms")


def read(body: bytes | str, mapping: dict[str, Any] | None = None) -> Reading:
    body = body.encode() if isinstance(body, str) else body
    return reader(mapping or {}).read(body, None, read_at=1.0)


def read_json(document: Any, mapping: dict[str, Any] | None = None) -> Reading:
    return read(json.dumps(document), mapping)


def reader(mapping: dict[str, Any]) -> MetricsReader:
    sources = {name: MetricSource.model_validate(source) for name, source in mapping.items()}
    return MetricsReader(sources)


def test_the_standard_api_in_prometheus_text_is_read() -> None:
    reading = read(
        "# HELP cpu_percent Share of all cores in use.\n# TYPE cpu_percent gauge\n"
        "cpu_percent 12.5\nmemory_percent 40\nerror_rate_percent 0.5\nresponse_ms 81.25\n"
        'requests_total{path="/chat",status="200"} 1027\n'
    )

    assert reading == Reading(
        cpu_percent=12.5,
        memory_percent=40,
        error_rate_percent=0.5,
        response_ms=81.25,
        other={'requests_total{path="/chat",status="200"}': 1027.0},
    )


def test_the_standard_api_in_json_is_read() -> None:
    reading = read_json(
        {"cpu_percent": 12.5, "memory_percent": 40, "uptime_seconds": 7, "name": "chatbot"}
    )

    assert reading == Reading(cpu_percent=12.5, memory_percent=40, other={"uptime_seconds": 7.0})


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("cpu_usage_percent", "cpu_percent", 20),
        ("cpu_usage", "cpu_percent", 20),
        ("cpu", "cpu_percent", 20),
        ("cpuPercent", "cpu_percent", 20),
        ("CPU-Percent", "cpu_percent", 20),
        ("cpu.percent", "cpu_percent", 20),
        ("system.cpu", "cpu_percent", 20),
        ("system.cpu.usage_percent", "cpu_percent", 20),
        ("metrics.host.cpu_percent.value", "cpu_percent", 20),
        ("cpu_usage_ratio", "cpu_percent", 2_000),
        ("mem_percent", "memory_percent", 20),
        ("memory.percent", "memory_percent", 20),
        ("memory_used_ratio", "memory_percent", 2_000),
        ("errors_percent", "error_rate_percent", 20),
        ("error_rate", "error_rate_percent", 20),
        ("error_ratio", "error_rate_percent", 2_000),
        ("response_time_ms", "response_ms", 20),
        ("latency_ms", "response_ms", 20),
        ("response_time_seconds", "response_ms", 20_000),
        ("latency_seconds", "response_ms", 20_000),
    ],
)
def test_a_well_known_name_becomes_a_field(name: str, field: str, value: float) -> None:
    reading = read_json({name: 20})

    assert getattr(reading, field) == value
    assert reading.other == {}


@pytest.mark.parametrize(
    "name",
    ["system.cpu.usage", "process_cpu_usage", "memory_usage", "response_time", "cpu_count", "cpus"],
)
def test_a_name_that_means_different_things_stays_a_further_metric(name: str) -> None:
    assert read_json({name: 0.2}) == Reading(other={name: 0.2})


def test_a_ratio_is_scaled_only_where_its_name_says_that_it_is_one() -> None:
    assert read("error_rate 0.05\n").error_rate_percent == 0.05
    assert read("error_rate_ratio 0.05\n").error_rate_percent == 5


def test_the_more_exact_name_wins_and_the_other_one_stays() -> None:
    assert read("cpu 1\ncpu_percent 2\ncpu_usage 3\n") == Reading(
        cpu_percent=2, other={"cpu": 1.0, "cpu_usage": 3.0}
    )


def test_a_single_series_with_labels_becomes_the_field() -> None:
    assert read('cpu_percent{host="a"} 2\n') == Reading(cpu_percent=2)


def test_several_series_with_labels_are_ambiguous() -> None:
    reading = read('cpu_percent{core="0"} 2\ncpu_percent{core="1"} 4\n')

    assert reading.cpu_percent is None
    assert reading.detail == "cpu_percent is ambiguous: 2 series"
    assert reading.other == {'cpu_percent{core="0"}': 2.0, 'cpu_percent{core="1"}': 4.0}


def test_the_series_without_labels_wins_over_those_with_some() -> None:
    assert read('cpu_percent{core="0"} 2\ncpu_percent 3\n').cpu_percent == 3


def test_cpu_seconds_tell_the_cpu_where_nothing_else_does() -> None:
    seconds = reader({})

    first = seconds.read(b"process_cpu_seconds_total 100\n", None, read_at=50.0)
    second = seconds.read(b"process_cpu_seconds_total 103\n", None, read_at=60.0)
    third = seconds.read(b"process_cpu_seconds_total 104\ncpu_percent 7\n", None, read_at=70.0)

    assert [each.cpu_percent for each in (first, second, third)] == [None, 30.0, 7.0]
    assert second.other == {"process_cpu_seconds_total": 103.0}


def test_an_entry_of_the_mapping_wins_over_a_well_known_name() -> None:
    reading = read("cpu_percent 2\nload 4\n", {"cpu_percent": {"metric": "load", "scale": 25}})

    assert reading.cpu_percent == 100
    assert reading.other == {"load": 4.0, "cpu_percent": 2.0}


@pytest.mark.parametrize(
    ("aggregate", "value"), [("sum", 6), ("mean", 2), ("max", 3), ("min", 1), ("first", 2)]
)
def test_the_selected_series_are_aggregated(aggregate: str, value: float) -> None:
    body = 'jobs{q="a"} 2\njobs{q="b"} 1\njobs{q="c"} 3\nothers 9\n'

    reading = read(body, {"queue_depth": {"metric": "jobs", "aggregate": aggregate}})

    assert reading.other["queue_depth"] == value
    assert reading.other['jobs{q="b"}'] == 1


def test_labels_select_by_globs_and_a_missing_label_is_empty() -> None:
    body = (
        'http_total{code="500",path="/a"} 1\nhttp_total{code="503"} 2\nhttp_total{code="200"} 4\n'
        "http_total 8\n"
    )

    def total(labels: dict[str, str]) -> float:
        reading = read(body, {"total": {"metric": "http_total", "labels": labels}})
        return reading.other["total"]

    assert total({"code": "5*"}) == 3
    assert total({"code": "5*", "path": "/?"}) == 1
    assert total({"code": "[!5]*"}) == 4
    assert total({"code": ""}) == 8
    assert total({"code": "200"}) == 4
    assert total({"code": "*"}) == 15


def test_a_value_is_offset_plus_scale_times_the_quotient() -> None:
    mapping = {
        "memory_percent": {
            "metric": "free_bytes",
            "divide_by": "total_bytes",
            "scale": -100,
            "offset": 100,
        },
        "half": {"metric": "free_bytes", "divide_by": 2},
    }

    reading = read("free_bytes 300\ntotal_bytes 1000\n", mapping)

    assert reading.memory_percent == 70
    assert reading.other["half"] == 150


def test_a_division_by_zero_has_no_value() -> None:
    mapping = {"cpu_percent": {"metric": "used", "divide_by": "zero"}}

    assert read("used 5\nzero 0\n", mapping) == Reading(other={"used": 5.0, "zero": 0.0})


def test_a_counter_has_a_rate_from_the_second_read_on() -> None:
    counter = reader({"error_rate_percent": {"metric": "errors_total", "rate": True}})

    rates = [
        counter.read(f"errors_total {total}\n".encode(), None, read_at=at).error_rate_percent
        for total, at in [(10, 0.0), (15, 10.0), (15, 20.0), (3, 30.0), (5, 40.0)]
    ]

    assert rates == [None, 0.5, 0.0, None, 0.2]


def test_a_quotient_of_rates_is_an_error_rate() -> None:
    requests = reader(
        {
            "error_rate_percent": {
                "metric": "http_total",
                "labels": {"code": "5*"},
                "rate": True,
                "divide_by": {"metric": "http_total", "rate": True},
                "scale": 100,
            }
        }
    )

    requests.read(b'http_total{code="200"} 100\nhttp_total{code="500"} 10\n', None, read_at=0.0)
    later = requests.read(
        b'http_total{code="200"} 190\nhttp_total{code="500"} 20\n', None, read_at=9.0
    )

    assert later.error_rate_percent == 10


def _error_rates(label: str, *bodies: bytes) -> list[Reading]:
    source = {"metric": "http_total", "labels": {label: "5*"}, "rate": True, "scale": 100}
    mapping = {
        "error_rate_percent": {**source, "divide_by": {"metric": "http_total", "rate": True}}
    }
    requests = reader(mapping)
    return [requests.read(body, None, read_at=float(at)) for at, body in enumerate(bodies)]


def test_errors_that_never_happened_are_a_rate_of_zero() -> None:
    """A client library reports a counter with labels only once it counts."""
    first, second = _error_rates(
        "code", b'http_total{code="200"} 5\n', b'http_total{code="200"} 9\n'
    )

    assert (first.error_rate_percent, first.detail) == (None, None)
    assert (second.error_rate_percent, second.detail) == (0, None)


def test_the_first_error_has_no_rate_and_the_next_one_has() -> None:
    _, second, third = _error_rates(
        "code",
        b'http_total{code="200"} 5\n',
        b'http_total{code="200"} 7\nhttp_total{code="500"} 1\n',
        b'http_total{code="200"} 8\nhttp_total{code="500"} 2\n',
    )

    assert (second.error_rate_percent, third.error_rate_percent) == (None, 50)


def test_a_label_that_no_series_has_is_told_and_is_no_rate_of_zero() -> None:
    *_, last = _error_rates("status", b'http_total{code="200"} 5\n', b'http_total{code="200"} 9\n')

    assert last.error_rate_percent is None
    assert last.detail == "error_rate_percent: no series http_total"


def test_a_gauge_that_is_not_there_is_told_and_is_not_zero() -> None:
    reading = read('jobs{queue="mail"} 5\n', {"depth": 'jobs{queue="post"}'})

    assert reading == Reading(other={'jobs{queue="mail"}': 5.0}, detail="depth: no series jobs")


def test_what_the_clocks_take_a_little_below_zero_is_zero() -> None:
    idle = reader({"cpu_percent": {"metric": "idle", "rate": True, "scale": -100, "offset": 100}})

    idle.read(b"idle 10\n", None, read_at=0.0)

    assert idle.read(b"idle 11.01\n", None, read_at=1.0).cpu_percent == 0
    assert idle.read(b"idle 13\n", None, read_at=2.0).detail == "cpu_percent is negative: -99"


def test_a_read_that_failed_leaves_the_rates_as_they_are() -> None:
    counter = reader({"done": {"metric": "done_total", "rate": True}})

    counter.read(b"done_total 10\n", None, read_at=0.0)
    counter.read(b"<html>Bad gateway</html>", None, read_at=5.0)

    assert counter.read(b"done_total 30\n", None, read_at=10.0).other["done"] == 2


def test_a_series_that_is_new_joins_the_rate_at_the_next_read() -> None:
    counter = reader({"done": {"metric": "done_total", "rate": True}})

    counter.read(b'done_total{w="1"} 10\n', None, read_at=0.0)
    second = counter.read(b'done_total{w="1"} 20\ndone_total{w="2"} 500\n', None, read_at=10.0)
    third = counter.read(b'done_total{w="1"} 20\ndone_total{w="2"} 510\n', None, read_at=20.0)

    assert (second.other["done"], third.other["done"]) == (1, 1)


def test_a_metric_that_the_mapping_names_and_nobody_reports_is_told() -> None:
    mapping = {"error_rate_percent": {"metric": "errors", "divide_by": "requests"}}

    reading = read("requests 5\n", mapping)

    assert reading == Reading(
        other={"requests": 5.0}, detail="error_rate_percent: no series errors"
    )


def test_a_negative_percentage_stays_a_further_metric() -> None:
    assert read("cpu_percent -5\n") == Reading(
        other={"cpu_percent": -5.0}, detail="cpu_percent is negative: -5"
    )


def test_of_ten_thousand_series_two_hundred_are_kept() -> None:
    body = "".join(f'jobs{{id="{i}"}} {i}\n' for i in range(10_000))

    reading = read(body)

    assert reading.detail == "10,000 series, kept 200"
    assert list(reading.other.values()) == list(range(200))


def test_a_field_is_found_behind_ten_thousand_series() -> None:
    body = "".join(f'jobs{{id="{i}"}} {i}\n' for i in range(10_000)) + "cpu_percent 3\n"

    assert read(body).cpu_percent == 3


def test_a_sum_takes_in_every_one_of_ten_thousand_series() -> None:
    body = "".join(f'jobs{{id="{i}"}} 1\n' for i in range(10_000))

    assert read(body, {"total": "jobs"}).other["total"] == 10_000


def test_buckets_quantiles_and_creation_times_are_left_out_first() -> None:
    buckets = "".join(f'd_bucket{{le="{i}"}} {i}\n' for i in range(300))
    minor = buckets + 'q{quantile="0.5"} 1\nc_created 1767225600\n'
    body = minor + "".join(f"m{i} {i}\n" for i in range(150))

    reading = read(body)

    assert reading.detail == "452 series, kept 200"
    assert [key for key in reading.other if key.startswith("m")] == [f"m{i}" for i in range(150)]
    assert list(reading.other)[150] == 'd_bucket{le="0"}'


def test_what_the_mapping_made_something_of_does_not_crowd_out_the_rest() -> None:
    calls = "".join(f'calls{{method="{i}"}} 1\n' for i in range(300))

    reading = read(calls + "queue_depth 3\n", {"calls_total": "calls"})

    assert list(reading.other)[:3] == ["calls_total", "queue_depth", 'calls{method="0"}']


def test_a_few_buckets_are_kept() -> None:
    assert read('d_bucket{le="1"} 5\n').other == {'d_bucket{le="1"}': 5.0}


def test_a_quantile_is_no_field() -> None:
    assert read('latency_seconds{quantile="0.99"} 1.5\n').response_ms is None


def test_a_long_key_is_cut_and_stays_unlike_others() -> None:
    reading = read(f'jobs{{path="{"x" * 200}1"}} 1\njobs{{path="{"x" * 200}2"}} 2\n')

    assert [len(key) for key in reading.other] == [100, 100]


def test_a_secret_in_a_label_is_redacted() -> None:
    (key,) = read('calls{url="https://bob:hunter2@example.com/"} 1\n').other

    assert "hunter2" not in key
    assert key.startswith('calls{url="https://bob:[redacted:url:')


def test_a_label_called_token_is_no_secret_by_itself() -> None:
    assert read('used{token="input"} 1\n').other == {'used{token="input"}': 1.0}


def test_values_that_are_not_finite_are_counted() -> None:
    reading = read("a NaN\nb +Inf\nc 1e301\nd 1\n")

    assert reading == Reading(other={"d": 1.0}, detail="3 values are not finite")


def test_a_quantile_of_nothing_is_no_news() -> None:
    reading = reader({})
    body = b'q_seconds{quantile="0.5"} NaN\nq_seconds_count 0\n'

    assert [reading.read(body, None, read_at=at).detail for at in (0.0, 1.0)] == [None, None]


def test_json_numbers_that_are_too_large_are_counted() -> None:
    reading = read(f'{{"a": NaN, "b": 1e999, "c": {"9" * 5_000}, "d": 1, "e": -Infinity}}')

    assert reading == Reading(other={"d": 1.0}, detail="4 values are not finite")


def test_of_duplicates_the_last_wins() -> None:
    reading = read('a{x="1",y="2"} 1\na{y="2",x="1"} 2\nb 1\nb 3\n')

    assert reading == Reading(other={'a{x="1",y="2"}': 2.0, "b": 3.0}, detail="2 duplicate series")


def test_lines_that_are_not_valid_are_skipped_and_the_first_is_named() -> None:
    assert read("# x\na 1\nb{ 2\nc 3\n").detail == "line 3 is not valid"
    assert read("a 1\nb{ 2\nc one\nd\ne 5\n") == Reading(
        other={"a": 1.0, "e": 5.0}, detail="line 2 and 2 more are not valid"
    )


def test_reading_ends_after_a_thousand_lines_that_are_not_valid() -> None:
    reading = read("a 1\n" + "b{ 2\n" * 5_000 + "c 3\n")

    assert reading.other == {"a": 1.0}
    assert reading.detail is not None
    assert "not read on after 1,000 faults" in reading.detail


def test_invalid_utf8_is_told() -> None:
    reading = read(b'a{b="\xff"} 1\nc 2\n')

    assert reading == Reading(other={'a{b="\ufffd"}': 1.0, "c": 2.0}, detail="not valid UTF-8")


@pytest.mark.parametrize(
    "body", ["<html><body>Sign in</body></html>", "Not found", '{"a": 1', '"text"', "{broken} x"]
)
def test_what_is_no_metrics_is_told(body: str) -> None:
    assert read(body) == Reading(detail="neither JSON nor Prometheus text")


@pytest.mark.parametrize("body", ["", " \n\t"])
def test_an_empty_body_is_told(body: str) -> None:
    assert read(body) == Reading(detail="empty")


@pytest.mark.parametrize("body", ["# HELP a b\n", "{}", "[]", '{"status": "ok"}', "# EOF\n"])
def test_a_body_without_numbers_is_told(body: str) -> None:
    assert read(body) == Reading(detail="no numbers")


def test_openmetrics_that_is_cut_short_is_told() -> None:
    kind = "application/openmetrics-text; version=1.0.0"

    assert reader({}).read(b"a 1\n# EOF\n", kind, read_at=1.0).detail is None
    assert reader({}).read(b"a 1\n", kind, read_at=1.0).detail == "cut short: no # EOF"


def test_nested_json_is_joined_with_dots() -> None:
    reading = read_json(
        {"a": {"b": {"c": 1}}, "list": [1, {"x": 2}], "yes": True, "no": False, "none": None}
    )

    assert reading.other == {
        "yes": 1.0, "no": 0.0, "list.0": 1.0, "list.1.x": 2.0, "a.b.c": 1.0,
    }  # fmt: skip


def test_json_lists_of_names_and_values_are_series() -> None:
    document = {
        "metrics": [
            {"name": "cpu_percent", "value": 3},
            {"name": "jobs", "value": "4.5", "labels": {"q": "mail", "n": 1}},
            {"name": "broken", "value": "x"},
        ],
        "queues": [{"name": "mail", "value": 7}],
    }

    assert read_json(document) == Reading(
        cpu_percent=3, other={'jobs{q="mail"}': 4.5, "queues.mail": 7.0}
    )
    assert read_json(document["metrics"]) == read_json({"metrics": document["metrics"]})


def test_json_is_bounded_too() -> None:
    reading = read_json({f"m{i}": i for i in range(10_000)} | {"cpu_percent": 3})

    assert len(reading.other) == 200
    assert reading.cpu_percent == 3
    assert reading.detail == "10,001 series, kept 200"


@pytest.mark.parametrize(
    "body", ["[" * 100_000, '{"a":' * 100_000, "[" * 500 + "1" + "]" * 500, "{" * 1_000_000]
)
def test_deep_nesting_does_no_harm(body: str) -> None:
    assert read(body).other == {}


def test_names_come_out_fit_to_store() -> None:
    reading = read('{"a\\u0000b\\ud800": 1, "line\\nbreak": 2, "\\u202ex": 3}')

    assert reading.other == {"ab": 1.0, "line break": 2.0, "x": 3.0}


@settings(deadline=None)
@given(st.binary() | st.text().map(str.encode))
def test_no_body_raises(body: bytes) -> None:
    reading = reader({"cpu_percent": {"metric": "a", "rate": True, "divide_by": "b"}}).read(
        body, None, read_at=1.0
    )

    assert len(reading.other) <= 200
    json.dumps(reading.other, allow_nan=False).encode()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@settings(deadline=None)
@given(json_values)
def test_no_json_raises(document: Any) -> None:
    reading = read(json.dumps(document))

    assert all(len(key) <= 100 for key in reading.other)
    json.dumps([reading.other, reading.detail], allow_nan=False, ensure_ascii=False).encode()


@settings(deadline=None)
@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=20))
def test_rates_are_never_negative(totals: list[float]) -> None:
    counter = reader({"done": {"metric": "done_total", "rate": True}})

    for at, total in enumerate(totals):
        reading = counter.read(f"done_total {total!r}\n".encode(), None, read_at=float(at))
        assert reading.other.get("done", 0) >= 0


@pytest.mark.parametrize(
    "body",
    [
        "x" * 2_000_000,
        "\n" * 2_000_000,
        "# \n" * 600_000,
        "a{" * 1_000_000,
        'a{b="' + "\\" * 2_000_000,
        'a{b="c",' * 250_000,
        "a 1\n" * 500_000,
        "a 1 2\n" * 300_000,
        "".join(f'a{i}{{b="c"}} 1\n' for i in range(100_000)),
        "[" + "1," * 900_000 + "1]",
        '{"a": "' + "\\u0000" * 300_000 + '"}',
    ],
    ids=lambda body: repr(body[:12]),
)
def test_a_hostile_body_is_read_in_bounded_time(body: str) -> None:
    started = time.process_time()

    read(body, {"total": {"metric": "a", "labels": {"b": "*c*"}}})

    assert time.process_time() - started < 5
