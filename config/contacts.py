"""Who is told, over which services, and when rather not."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import Annotated, Any, Final, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field, field_validator, model_validator

from config import secret_values
from config.addresses import Url
from config.durations import Duration, limits
from config.escalation import EscalationStep, Severity, at_least
from config.names import Word
from config.quoting import kind_of, quoted
from config.section import Section
from config.sentences import suggestion

_SERVICE: Final = re.compile(r"[A-Za-z0-9]{2,30}://.")
_TIME_OF_DAY: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_MOST_CHARACTERS: Final = 8_000
_MOST_URLS: Final = 20


def _check_time_of_day(text: str) -> str:
    if not _TIME_OF_DAY.fullmatch(text):
        raise ValueError(f'must be a time of day, as "22:00" in quotes, got {quoted(text)}')
    return text


def _check_zone(name: str) -> str:
    if name not in available_timezones():
        hint = suggestion(name, available_timezones())
        raise ValueError(f"must be a time zone such as Europe/Berlin, got {quoted(name)}{hint}")
    return name


TimeOfDay = Annotated[str, AfterValidator(_check_time_of_day)]
Zone = Annotated[str, AfterValidator(_check_zone)]


class QuietHours(Section, populate_by_name=True):
    """A time of each day when only what is severe enough is told at once."""

    from_: TimeOfDay = Field(validation_alias="from", serialization_alias="from")
    until: TimeOfDay
    timezone: Zone = "UTC"
    except_: Severity = Field(
        default="critical", validation_alias="except", serialization_alias="except"
    )

    @model_validator(mode="after")
    def _last_some_time(self) -> Self:
        if self.from_ == self.until:
            raise ValueError("must not end at the minute when they begin")
        return self

    def end(self, now: datetime, severity: Severity) -> datetime | None:
        """Return until when news of this severity is held back, None when it is not.

        A local time that does not exist on a day, or twice, is taken as before the change of
        clocks. `now` is timezone-aware.
        """
        if at_least(severity, self.except_):
            return None
        zone, begins, ends = ZoneInfo(self.timezone), _clock(self.from_), _clock(self.until)
        today = now.astimezone(zone).date()
        for day in (today, today - timedelta(days=1)):
            last_day = day if begins < ends else day + timedelta(days=1)
            start = datetime.combine(day, begins, zone).astimezone(now.tzinfo)
            end = datetime.combine(last_day, ends, zone).astimezone(now.tzinfo)
            if start <= now < end:
                return end
        return None


def _clock(text: str) -> time:
    hours, minutes = text.split(":")
    return time(int(hours), int(minutes))


def _check_address(template: Any) -> str:
    """Check the shape only; no message repeats anything of an address."""
    if not isinstance(template, str):
        raise ValueError(f"must be a text such as slack://…, got {kind_of(template)}")
    secret_values.names(template)
    if not template.isprintable() or not template or len(template) > _MOST_CHARACTERS:
        raise ValueError(f"must be 1 to {_MOST_CHARACTERS:,} printable characters")
    if not template.startswith("${") and not _SERVICE.match(template):
        raise ValueError("must begin with a service, as in slack://… or mailto://…")
    return template


class Contact(Section):
    """Somebody, or a channel. `urls` are templates as in `config.secret_values`."""

    urls: tuple[str, ...] = Field(repr=False)
    timezone: Zone | None = None
    quiet_hours: QuietHours | None = None
    least_severity: Severity = "warning"

    @model_validator(mode="before")
    @classmethod
    def _be_no_address(cls, given: Any) -> Any:
        """Refuse an address in the place of the contact without repeating it."""
        if isinstance(given, str):
            raise ValueError("must be a mapping with the address under urls, got text")
        return given

    @field_validator("urls", mode="before")
    @classmethod
    def _check_urls(cls, given: Any) -> tuple[str, ...]:
        """Check without pydantic, whose messages would repeat an address."""
        listed = [given] if isinstance(given, str) else given
        if not isinstance(listed, list | tuple):
            raise ValueError(f"must be a list of addresses, got {kind_of(given)}")
        if not 1 <= len(listed) <= _MOST_URLS:
            raise ValueError(f"must be 1 to {_MOST_URLS} addresses, got {len(listed)}")
        return tuple(map(_check_address, listed))

    @property
    def zone(self) -> ZoneInfo:
        """The zone that times are shown in: their own, else that of the quiet hours, else UTC."""
        quiet = self.quiet_hours.timezone if self.quiet_hours else "UTC"
        return ZoneInfo(self.timezone or quiet)


class NotificationSettings(Section):
    """How notices are laid together, tried again, and what they look like."""

    group_wait: Annotated[Duration, limits("0s", "10m")] = timedelta(seconds=5)
    group_interval: Annotated[Duration, limits("0s", "1d")] = timedelta(minutes=1)
    attempts: int = Field(default=5, ge=1, le=20)
    timeout: Annotated[Duration, limits("1s", "5m")] = timedelta(seconds=30)
    public_url: Url | None = None
    templates: Word | None = None


def unknown_contacts(
    chain: Sequence[EscalationStep], contacts: Mapping[str, Contact] | Iterable[str]
) -> list[tuple[int, str]]:
    """Return the steps, by position, that tell somebody who is not among the contacts.

    The text is what is wrong with their `notify`, for a fault.
    """
    known = set(contacts)
    return [
        (
            position,
            f"must be a contact of the hub file, got {quoted(step.notify)}"
            f"{suggestion(step.notify, known)}",
        )
        for position, step in enumerate(chain)
        if step.notify not in known
    ]
