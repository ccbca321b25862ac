"""Send the notices of one message to every address of a contact, and tell what became of them."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from actions.notification.delivery import Courier, Delivery, fingerprint
from actions.notification.message import LinkFor, compose, no_link
from actions.notification.templating import Templates
from config.contacts import Contact
from data.notices import DeliveryOutcome, Notice

RETRY_FIRST: Final = timedelta(seconds=15)
RETRY_LONGEST: Final = timedelta(minutes=10)
_MOST_ERROR: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of each notice of a message, what it said first, and what went wrong."""

    subject: str
    outcomes: tuple[DeliveryOutcome, ...]
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Renders and delivers; `attempts` is how often a notice is tried.

    What `link_for` makes is a credential: it is put in at the last moment and nowhere kept.
    """

    courier: Courier
    templates: Templates
    attempts: int
    link_for: LinkFor = no_link
    retry_first: timedelta = RETRY_FIRST

    async def send(
        self, name: str, contact: Contact, notices: Sequence[Notice], now: Callable[[], datetime]
    ) -> Sent:
        """Send what each address does not have yet, to all of them at once.

        A notice is sent when every address has it. What failed is tried again after 15 s,
        doubling to 10 min, until its attempts are used up.
        """
        message = compose(notices, contact.zone, now())
        attempted = await asyncio.gather(
            *(self._deliver(template, name, contact, notices, now()) for template in contact.urls)
        )
        deliveries = [delivery for delivery in attempted if delivery is not None]
        errors = dict.fromkeys(one.error for one in deliveries if one.error is not None)
        error = "; ".join(errors)[:_MOST_ERROR] or None
        arrived = {one.address for one in deliveries if one.error is None}
        wanted = {fingerprint(template) for template in contact.urls}
        return Sent(
            subject=self.templates.render(message, name).subject,
            outcomes=tuple(
                self._outcome(notice, wanted, arrived | set(notice.delivered), error, now())
                for notice in notices
            ),
            error=error,
        )

    async def _deliver(
        self, template: str, name: str, contact: Contact, notices: Sequence[Notice], now: datetime
    ) -> Delivery | None:
        missing = [one for one in notices if fingerprint(template) not in one.delivered]
        if not missing:
            return None
        message = compose(missing, contact.zone, now, self.link_for)
        text = self.templates.render(message, name)
        return await self.courier.deliver(template, text, message.severity, over=message.is_over)

    def _outcome(
        self, notice: Notice, wanted: set[str], arrived: set[str], error: str | None, now: datetime
    ) -> DeliveryOutcome:
        delivered = sorted(arrived)
        if wanted <= arrived:
            return DeliveryOutcome(id=notice.id, outcome="sent", delivered=delivered)
        if notice.attempts >= self.attempts:
            return DeliveryOutcome(
                id=notice.id, outcome="given_up", delivered=delivered, error=error
            )
        wait = self.retry_first
        for _ in range(1, notice.attempts):
            wait = min(RETRY_LONGEST, 2 * wait)
        return DeliveryOutcome(
            id=notice.id, outcome="again", delivered=delivered, error=error, due_at=now + wait
        )
