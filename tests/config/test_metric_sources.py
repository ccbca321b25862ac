import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from config.projects_file import MetricSource


@pytest.mark.parametrize(
    ("text", "metric", "labels"),
    [
        ("queue_depth", "queue_depth", {}),
        ('jobs{queue="mail-*"}', "jobs", {"queue": "mail-*"}),
        ('jobs { queue = "mail" , host="a,b}" , }', "jobs", {"queue": "mail", "host": "a,b}"}),
        ("jobs{}", "jobs", {}),
        (r'jobs{path="C:\\x\"y"}', "jobs", {"path": 'C:\\x"y'}),
        ("queue depth.now", "queue depth.now", {}),
    ],
)
def test_a_text_is_the_name_of_a_metric_and_its_labels(
    text: str, metric: str, labels: dict[str, str]
) -> None:
    assert MetricSource.model_validate(text) == MetricSource(metric=metric, labels=labels)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{a="b"}',
        "jobs{",
        "jobs}",
        "jobs{a}",
        "jobs{a=b}",
        'jobs{a!="b"}',
        'jobs{a="b"}x',
        'jobs{a="b" c="d"}',
        'jobs{a="1",a="2"}',
        "jobs{,}",
        'jobs{1a="b"}',
    ],
)
def test_a_text_that_selects_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        MetricSource.model_validate(text)


def test_a_divisor_is_a_number_or_a_source_in_either_form() -> None:
    by_text = MetricSource.model_validate({"metric": "a", "divide_by": "b"})
    by_mapping = MetricSource.model_validate({"metric": "a", "divide_by": {"metric": "b"}})
    assert by_text == by_mapping
    assert MetricSource.model_validate({"metric": "a", "divide_by": 4}).divide_by == 4


def test_a_label_that_is_a_number_is_the_text_of_it() -> None:
    source = MetricSource.model_validate({"metric": "a", "labels": {"code": 500}})
    assert source.labels == {"code": "500"}


@given(st.text())
def test_any_text_is_a_source_or_is_refused(text: str) -> None:
    try:
        source = MetricSource.model_validate(text)
    except ValidationError:
        return
    assert MetricSource.model_validate(source.model_dump(mode="json")) == source
