"""The email blaster of the demo fleet: a queue of campaigns, sent in batches, some bounce.

Once a second it asks the chatbot for a subject line over HTTP. When the chatbot cannot be
reached or is slow, it sends the campaign's stock subject. When the chatbot answers with an
empty subject, the messages that wanted one are refused: 6 to 9 % of all.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import ClassVar

from hub.fleet.loopback_client import NoAnswer, request
from hub.fleet.project import DemoProject, Options
from hub.fleet.serving import serve_project
from hub.fleet.story import ERROR, INFO, WARNING, Plot
from hub.fleet.vitals import Profile

SUBJECT_EVERY_S = 1.0
SUBJECT_WITHIN_S = 1.0
QUEUE_FULL = 5_000


class EmailBlast(DemoProject):
    """Sends campaigns."""

    name: ClassVar = "email-blast"
    purpose: ClassVar = "sends campaigns to those who asked for them"
    profile: ClassVar = Profile(
        requests_per_s=120,
        cpu_percent=29,
        memory_percent=41,
        error_rate_percent=0.9,
        response_ms=120,
    )
    usual_lines: ClassVar = (
        (INFO, "batch sent: 500 messages of campaign spring-sale, queue at {queue_depth:.0f}"),
        (INFO, "bounce rate {bounce_rate_percent} %, 2 addresses suppressed"),
        (INFO, "campaign newsletter-12 scheduled for 14:00"),
    )
    plots: ClassVar = {
        "leak": Plot(
            opening=((INFO, "template cache: 9,301 rendered messages held"),),
            going_on=(
                (WARNING, "memory at {memory} %, rendered messages are kept after sending"),
                (ERROR, "allocation failed: MemoryError while rendering batch 1,877"),
            ),
        ),
        "spike": Plot(
            going_on=(
                (WARNING, "worker 1 busy for {wait_s} s in segment filter '(a+)+@' of spring-sale"),
                (WARNING, "cpu at {cpu} %, sending falls behind: queue at {queue_depth:.0f}"),
            )
        ),
        "errors": Plot(
            opening=((INFO, "release {version}: footers come from the new template engine"),),
            going_on=(
                (
                    ERROR,
                    "message not sent\nTraceback (most recent call last):\n"
                    '  File "email_blast/footer.py", line 31, in render_footer\n'
                    "    return template.format(**links)\n"
                    "KeyError: 'unsubscribe_url'",
                ),
                (ERROR, "batch finished with failures (release {version})"),
            ),
        ),
        "slow": Plot(
            going_on=(
                (WARNING, "smtp relay answered after {wait_s} s (connection pool exhausted)"),
                (WARNING, "slow request: POST /v1/batches took {wait_s} s"),
            )
        ),
    }

    def __init__(self, options: Options) -> None:
        self._queue_depth = 1_200.0
        self._subjects_empty = False
        self._subject_trouble: str | None = None
        self._chatbot = options.peers.get("chatbot")
        super().__init__(options)

    def gauges(self) -> dict[str, Callable[[], float]]:
        return {
            "queue_depth": lambda: round(self._queue_depth),
            "batches_sending": lambda: 0 if self.vitals.paused else 3,
            "bounce_rate_percent": lambda: round(1.4 + 0.2 * self.vitals.wave(0.6), 2),
        }

    def checks(self) -> dict[str, Callable[[], tuple[str, str]]]:
        return {
            "queue": lambda: (
                "healthy" if self._queue_depth < QUEUE_FULL else "degraded",
                f"{self._queue_depth:.0f} messages wait",
            ),
            "smtp": lambda: ("healthy", "relay connected"),
        }

    def work(self, requests: int, errors: int) -> None:
        self.api.count("emails_sent_total", requests - errors)
        target = 1_200 + 300 * self.vitals.wave(0.4)
        busy = self.faults.elapsed_s("spike") is not None
        self._queue_depth += 20 if busy else 0.1 * (target - self._queue_depth)

    def error_rate_percent(self) -> float:
        refused = 6.8 + self.vitals.jitter(0.4) if self._subjects_empty else 0.0
        return super().error_rate_percent() + refused

    async def run(self) -> None:
        asking = asyncio.create_task(self._ask_for_subjects())
        try:
            await super().run()
        finally:
            asking.cancel()
            with suppress(asyncio.CancelledError):
                await asking

    async def _ask_for_subjects(self) -> None:
        while self._chatbot is not None:
            await asyncio.sleep(SUBJECT_EVERY_S)
            if not self.vitals.paused:
                await self._ask_for_subject(f"{self._chatbot}/v1/subject-line")

    async def _ask_for_subject(self, url: str) -> None:
        try:
            _, reply = await request("GET", url, timeout_s=SUBJECT_WITHIN_S)
            reason = str(reply.get("finish_reason"))
            self._subjects_empty = reply.get("subject") == ""
            trouble = f"empty subject from the chatbot ({reason})" if self._subjects_empty else None
        except NoAnswer:
            self._subjects_empty = False
            trouble = "no subject from the chatbot within 1 s"
        if self._subjects_empty:
            self.log.warning(
                "message refused before sending: the subject is empty (campaign spring-sale, "
                "subject from chatbot, finish_reason=%s)",
                reason,
            )
        elif trouble is not None and trouble != self._subject_trouble:
            self.log.warning("%s, sending the campaign's stock subject", trouble)
        self._subject_trouble = trouble


if __name__ == "__main__":
    serve_project(EmailBlast)
