"""Approval links: good for one attempt and one person, for a time, with the right key only."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.approval_links import LONGEST, ApprovalLinks, LinkExpired, LinkInvalid

KEY = b"k" * 32
LINKS = ApprovalLinks(KEY, "https://opslore.example/")
ATTEMPT = uuid4()
SOON = datetime.now(UTC) + timedelta(minutes=30)


def test_a_link_says_who_may_decide_about_what() -> None:
    link = LINKS.link_for(ATTEMPT, "oncall", SOON)
    assert link is not None
    base, _, token = link.rpartition("/")
    assert base == "https://opslore.example/approvals"
    approver = LINKS.read(token)
    assert (approver.attempt_id, approver.contact) == (ATTEMPT, "oncall")


def test_without_an_address_there_is_no_link() -> None:
    assert ApprovalLinks(KEY, None).link_for(ATTEMPT, "oncall", SOON) is None


@given(contact=st.text(min_size=1, max_size=80))
def test_any_name_comes_back_and_fits_into_an_address(contact: str) -> None:
    token = LINKS.token_for(ATTEMPT, contact, None)
    assert LINKS.read(token).contact == contact
    assert set(token) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


@given(st.data())
def test_a_token_that_was_changed_anywhere_is_refused(data: st.DataObject) -> None:
    token = LINKS.token_for(ATTEMPT, "oncall", SOON)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from("aZ09-_.").filter(lambda char: char != token[place]))
    changed = token[:place] + other + token[place + 1 :]
    try:
        approver = LINKS.read(changed)
    except LinkInvalid:
        return
    # the last character of base64 may have bits that mean nothing: then nothing else is said
    assert (approver.attempt_id, approver.contact) == (ATTEMPT, "oncall")


@given(st.text(max_size=300))
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(LinkInvalid):
        LINKS.read(text)


def test_a_link_of_another_installation_is_refused() -> None:
    token = ApprovalLinks(b"o" * 32, None).token_for(ATTEMPT, "oncall", SOON)
    with pytest.raises(LinkInvalid):
        LINKS.read(token)


def test_a_link_ends_with_the_request() -> None:
    token = LINKS.token_for(ATTEMPT, "oncall", datetime.now(UTC))
    with pytest.raises(LinkExpired):
        LINKS.read(token)


def test_a_link_without_an_end_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    token = LINKS.token_for(ATTEMPT, "oncall", None)
    assert LINKS.read(token).contact == "oncall"
    later = datetime.now(UTC) + LONGEST + timedelta(seconds=2)

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> Any:
            return later

    monkeypatch.setattr("actions.approval_links.datetime", Later)
    with pytest.raises(LinkExpired):
        LINKS.read(token)
