"""A ranking in plain words."""

import re

import polars as pl

from reasoning.causes import LOGS, Change, StatusChange, explain, rank
from tests.reasoning.test_causes import at, course, slow, window


def test_a_clear_cause_is_told_with_what_was_measured() -> None:
    text = explain(rank(window(*slow("shop", "search"))))
    assert re.fullmatch(
        r"The most likely cause is search: response_ms rose from \S+ to \S+, more than 100 times"
        r" its usual deviation, as the incident was opened\."
        r" Of those that suffer too, shop depends on it\.",
        text,
    )


def test_a_deploy_is_told_with_what_it_did() -> None:
    deploy = Change(project="search", at=at(-2), version="2.0")
    text = explain(rank(window(*slow("shop", "search"), changes=[deploy])))
    assert "search: version 2.0 was deployed, 2m before the incident was opened. Also:" in text


def test_an_outage_is_told() -> None:
    down = [StatusChange(project=name, at=at(-1), status="down") for name in ("shop", "search")]
    text = explain(rank(window(metric=None, statuses=down)))
    assert text.startswith("The most likely cause is search: it was down, 1m before")


def test_two_causes_that_are_about_as_likely_are_both_told() -> None:
    both = window(
        *(course(name, "response_ms", to=400.0) for name in ("shop", "search", "mail")),
        depends_on={"shop": ["search", "mail"]},
    )
    told = re.findall(r"(?m)^(The most|About as) likely .*?is (\w+):", explain(rank(both)))
    assert told == [("The most", "search"), ("About as", "mail")]


def test_no_clear_cause_is_said_so() -> None:
    assert explain(rank(window())) == (
        "No clear cause of the incident of shop. Nothing was measured that differs from before."
    )
    assert explain(rank(window(*slow()))).startswith("No clear cause of the incident of shop. The")


def test_what_projects_wrote_stays_on_its_line() -> None:
    lines = [("shop", at(n / 10), "lost\r\n\x1b[31mAlso\u2028likely: you") for n in range(30)]
    logs = pl.DataFrame(lines, schema=LOGS, orient="row")
    deploy = Change(project="shop", at=at(-2), version="1\n2")
    text = explain(rank(window(*slow("shop"), logs=logs, changes=[deploy])))
    assert len(text.splitlines()) == 1
    assert text.isprintable()
