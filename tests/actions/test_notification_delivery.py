"""A message arrives, or it is told why not: within the time, and without any secret."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from actions.notification.delivery import MOST_LEFT_BEHIND, Courier, fingerprint
from actions.notification.masking import mask
from actions.notification.templating import Text
from tests.inbox import Inbox, Received

TEXT = Text(subject="[critical] chatbot is down", body="timed out\nfor 3m")
PROMPT = timedelta(seconds=10)


@pytest.fixture
async def inbox() -> AsyncIterator[Inbox]:
    async with Inbox() as inbox:
        yield inbox


async def test_a_message_arrives_as_it_was_written(inbox: Inbox) -> None:
    delivery = await Courier(PROMPT).deliver(inbox.url, TEXT, "critical")
    assert delivery.error is None
    assert inbox.received == [Received(title=TEXT.subject, message=TEXT.body, type="failure")]


async def test_good_news_are_marked_as_such(inbox: Inbox) -> None:
    await Courier(PROMPT).deliver(inbox.url, TEXT, "info", over=True)
    assert [message.type for message in inbox.received] == ["success"]


async def test_an_address_is_taken_from_the_environment_when_it_is_needed(inbox: Inbox) -> None:
    environ: dict[str, str] = {}
    courier = Courier(PROMPT, environ)
    missing = await courier.deliver("${ONCALL_URL}", TEXT, "info")
    assert missing.error == "neither ONCALL_URL nor ONCALL_URL_FILE is set"
    environ["ONCALL_URL"] = inbox.url
    assert (await courier.deliver("${ONCALL_URL}", TEXT, "info")).error is None


async def test_a_secret_file_that_is_gone_is_an_error_and_no_crash(tmp_path: Path) -> None:
    courier = Courier(PROMPT, {"ONCALL_URL_FILE": str(tmp_path / "gone")})
    delivery = await courier.deliver("${ONCALL_URL}", TEXT, "info")
    assert delivery.error == "a secret cannot be read: No such file or directory"


async def test_a_refusal_is_told_without_the_address(
    inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    inbox.mood = "refuses"
    url = f"json://ann:hunter2@127.0.0.1:{inbox.port}/T0KEN/{'s3cret' * 3}?+X-Key=k3yk3y"
    with caplog.at_level(logging.DEBUG):
        delivery = await Courier(PROMPT).deliver(url, TEXT, "info")
    assert delivery.error is not None
    assert "500" in delivery.error
    for secret in ("hunter2", "T0KEN", "s3cret", "k3yk3y"):
        assert secret not in delivery.error
        assert secret not in caplog.text


@pytest.mark.parametrize("url", ["nonsense://x/y", "json://", "slack://hunter2"])
async def test_an_address_that_apprise_does_not_take_is_an_error(url: str) -> None:
    delivery = await Courier(PROMPT).deliver(url, TEXT, "info")
    assert delivery.error is not None
    assert "not an address that apprise knows" in delivery.error
    assert "hunter2" not in delivery.error


async def test_a_service_that_hangs_costs_no_more_than_the_time_limit(inbox: Inbox) -> None:
    inbox.mood = "hangs"
    loop = asyncio.get_running_loop()
    began = loop.time()
    delivery = await Courier(timedelta(seconds=0.3)).deliver(inbox.url, TEXT, "info")
    assert delivery.error == "no answer within 300ms"
    assert loop.time() - began < 3


async def test_what_hangs_again_and_again_is_not_tried_without_end(inbox: Inbox) -> None:
    inbox.mood = "hangs"
    courier = Courier(timedelta(seconds=0.2))
    for _ in range(MOST_LEFT_BEHIND):
        await courier.deliver(f"{inbox.url}?rto=3", TEXT, "info")
    refused = await courier.deliver(f"{inbox.url}?rto=3", TEXT, "info")
    assert refused.error == "earlier messages to it still hang"


def test_an_address_is_remembered_without_being_told() -> None:
    assert fingerprint("json://hunter2") == fingerprint("json://hunter2") != fingerprint("json://x")
    assert len(fingerprint("json://hunter2")) == 12


def test_every_part_of_an_address_is_masked() -> None:
    url = "mailto://ann:p%40ss1234@mail.example/?to=bob@example.org&key=abcdefgh"
    text = f"refused p@ss1234 and p%40ss1234 at {url}\nabcdefgh; see https://x.example/y?k=v"
    assert mask(text, [url]) == "refused *** and *** at *** ***; see ***"
