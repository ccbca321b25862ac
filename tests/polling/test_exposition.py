import math
import re
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import parser as prometheus_text
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import parser as openmetrics_text

from flows.polling.payloads.exposition import parse_line
from flows.polling.payloads.metrics_payload import MetricsReader

PLAIN = re.compile("[a-zA-Z][a-zA-Z0-9_]*")
Series = tuple[str, frozenset[tuple[str, str]]]

TRICKY = [
    "up 1",
    "up\t1",
    "  up   1  ",
    "up 1\r",
    "up 1e5",
    "up -1.5E-3",
    "up +Inf",
    "up -Inf",
    "up NaN",
    "up 1 1767225600000",
    "up\t1\t1767225600000",
    "up{} 1",
    'up{a="b"} 1',
    'up{a="b",} 1',
    'up{a="b"}1',
    'up { a = "b" , c = "d" } 1',
    'up{b="2",a="1"} 1',
    'up{a=""} 1',
    'up{a="x y  z"} 1',
    'up{a="}{, =# "} 1',
    'up{a="a # {b} 1"} 1',
    'up{a="\\"quoted\\" \\\\ \\n"} 1',
    'up{a="ends with \\\\"} 1',
    'up{a="unknown \\t escape"} 1',
    'up{a="naïve ☃ \U0001f600"} 1',
    '{"my.metric"} 1',
    '{"my.metric", a="b"} 1',
    '{"my.metric",a="b"} 1 1767225600000',
    '{"with \\"quotes\\" and \\\\"} 1',
    'up{"my.label"="x"} 1',
    'up{"my label"="x",b="y"} 1',
    "job:up:sum 1",
    "_ 1",
]

INVALID = [
    "up",
    "up ",
    "up one",
    "up 0x1A",
    "up 1_000",
    "up 1 2 3 4 five",
    "up 1 soon",
    "1up 1",
    "my.metric 1",
    "my-metric 1",
    'up{a="b" 1',
    'up{a="b} 1',
    "up{a=b} 1",
    "up{a} 1",
    'up{="b"} 1',
    'up{a="b"c="d"} 1',
    'up{a="b",,c="d"} 1',
    'up{a="1",a="2"} 1',
    'up{"other"} 1',
    '{a="b"} 1',
    "{} 1",
    '"up" 1',
    '{"up} 1',
    'up{a="b"} 1 # comment',
    "<html><body>",
    '{"status": "ok"}',
]

names = st.from_regex(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,15}", fullmatch=True)
label_names = st.from_regex(r"[a-zA-Z][a-zA-Z0-9_]{0,7}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=12)
# prometheus_client itself fails on an exemplar with an escaped quote.
unescaped = texts.filter(lambda text: '"' not in text and "\\" not in text)
any_label_names = texts.filter(lambda name: name and not name.startswith("__"))
values = st.floats() | st.integers(-(10**18), 10**18).map(float)
timestamps = st.none() | st.integers(0, 2**42)
samples = st.tuples(
    names, st.dictionaries(label_names | any_label_names, texts, max_size=4), values, timestamps
)


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def number(value: float) -> str:
    return {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, repr(value).replace("nan", "NaN"))


def quoted(text: str) -> str:
    return f'"{escaped(text)}"'


def labels_of(labels: dict[str, str]) -> str:
    shown = (
        f"{name if PLAIN.fullmatch(name) else quoted(name)}={quoted(value)}"
        for name, value in labels.items()
    )
    return "{" + ",".join(shown) + "}" if labels else ""


def line_of(sample: tuple[str, dict[str, str], float, int | None]) -> str:
    name, labels, value, timestamp = sample
    end = "" if timestamp is None else f" {timestamp}"
    return f"{name}{labels_of(labels)} {number(value)}{end}"


def as_read_by_prometheus(families: Iterable[Metric]) -> dict[Series, float]:
    return {
        (sample.name, frozenset(sample.labels.items())): float(sample.value)
        for family in families
        for sample in family.samples
    }


def as_read_here(text: str) -> dict[Series, float]:
    read = [parse_line(line) for line in text.split("\n") if line and not line.startswith("#")]
    return {(s.name, frozenset(s.labels.items())): s.value for s in read if s is not None}


def same(ours: dict[Series, float], theirs: dict[Series, float]) -> bool:
    return ours.keys() == theirs.keys() and all(
        ours[key] == theirs[key] or (math.isnan(ours[key]) and math.isnan(theirs[key]))
        for key in ours
    )


@pytest.mark.parametrize("line", TRICKY)
def test_a_tricky_line_is_read_as_prometheus_client_reads_it(line: str) -> None:
    theirs = as_read_by_prometheus(prometheus_text.text_string_to_metric_families(line))

    assert len(theirs) == 1
    assert same(as_read_here(line), theirs)


@pytest.mark.parametrize("line", INVALID)
def test_a_line_that_is_not_valid_is_no_sample(line: str) -> None:
    assert parse_line(line) is None


@settings(deadline=None)
@given(st.lists(samples, max_size=8))
def test_a_rendered_exposition_is_read_as_prometheus_client_reads_it(
    rendered: list[tuple[str, dict[str, str], float, int | None]],
) -> None:
    text = "".join(line_of(sample) + "\n" for sample in rendered)

    theirs = as_read_by_prometheus(prometheus_text.text_string_to_metric_families(text))

    assert same(as_read_here(text), theirs)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            names,
            st.dictionaries(label_names, texts, max_size=3),
            st.floats(0, 1e12),
            st.none() | st.integers(1, 2**31),
            st.none()
            | st.tuples(st.dictionaries(label_names, unescaped, max_size=1), st.floats(0, 9)),
        ),
        max_size=6,
    )
)
def test_openmetrics_with_timestamps_and_exemplars_is_read_as_prometheus_client_reads_it(
    counters: list[
        tuple[str, dict[str, str], float, int | None, tuple[dict[str, str], float] | None]
    ],
) -> None:
    text = ""
    for place, (name, labels, value, timestamp, exemplar) in enumerate(counters):
        text += f"# TYPE {name}_{place} counter\n"
        text += line_of((f"{name}_{place}_total", labels, value, timestamp))
        if exemplar is not None:
            text += f" # {labels_of(exemplar[0]) or '{}'} {exemplar[1]!r}"
        text += "\n"
    text += "# EOF\n"

    families = openmetrics_text.text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    theirs = as_read_by_prometheus(families)

    assert same(as_read_here(text), theirs)


@settings(deadline=None)
@given(
    st.sampled_from(TRICKY + INVALID),
    st.lists(st.tuples(st.integers(0, 40), st.sampled_from('{}"\\=, \t#1a_.e-+é')), max_size=3),
)
def test_what_both_read_of_a_spoilt_line_they_read_alike(
    line: str, insertions: list[tuple[int, str]]
) -> None:
    for place, character in insertions:
        line = line[:place] + character + line[place:]
    ours = as_read_here(line)
    try:
        theirs = as_read_by_prometheus(prometheus_text.text_string_to_metric_families(line))
    except (ValueError, IndexError):
        return

    assert not ours or not theirs or same(ours, theirs)


@settings(deadline=None)
@given(st.text())
def test_no_line_raises(line: str) -> None:
    parse_line(line)


@settings(deadline=None)
@given(st.lists(samples, min_size=1, max_size=8))
def test_a_second_scrape_reads_what_the_first_one_read(
    rendered: list[tuple[str, dict[str, str], float, int | None]],
) -> None:
    body = "".join(line_of(sample) + "\n" for sample in rendered).encode()
    reader = MetricsReader({})

    first = reader.read(body, None, read_at=1.0)

    assert reader.read(body, None, read_at=2.0) == first
    assert MetricsReader({}).read(body + b"\n# again\n", None, read_at=1.0) == first


@pytest.mark.parametrize(
    ("body", "other"),
    [
        (b"a 1\r\nb 2\r\n", {"a": 1.0, "b": 2.0}),
        (b"\xef\xbb\xbfa 1\n", {"a": 1.0}),
        (b"\n\n  # HELP a x\n# TYPE a gauge\n#\na 1", {"a": 1.0}),
        (b'b{z="1",a="2"} 3\n', {'b{a="2",z="1"}': 3.0}),
        (b'{"my.metric",a="b"} 3\n', {'my.metric{a="b"}': 3.0}),
        (b'a{"my.label"="\\"x\\n"} 3\n', {'a{"my.label"="\\"x\\n"}': 3.0}),
        (b'a{__name__="b"} 1\nc 2\n', {"c": 2.0}),
    ],
)
def test_a_series_has_one_canonical_key(body: bytes, other: dict[str, float]) -> None:
    reader = MetricsReader({})

    assert reader.read(body, None, read_at=1.0).other == other
    assert reader.read(body, None, read_at=2.0).other == other
