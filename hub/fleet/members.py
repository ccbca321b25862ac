"""Who plays in the demo fleet, and what can go wrong with it."""

from dataclasses import dataclass
from typing import Literal, get_args

FaultKind = Literal["leak", "spike", "crash", "errors", "slow", "tangled"]
KINDS: tuple[FaultKind, ...] = get_args(FaultKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One project of the fleet. `module` is what `python -m` starts."""

    name: str
    module: str
    versions: tuple[str, str]  # the one before, and the one that runs
    tags: tuple[str, ...]
    depends_on: tuple[str, ...] = ()


MEMBERS = (
    Member(
        name="email-blast",
        module="hub.fleet.email_blast",
        versions=("3.7.1", "3.8.0"),
        tags=("marketing", "batch"),
        depends_on=("chatbot",),  # it asks the chatbot for subject lines
    ),
    Member(
        name="chatbot",
        module="hub.fleet.chatbot",
        versions=("1.4.1", "1.4.2"),
        tags=("customers", "interactive"),
    ),
    Member(
        name="social-media",
        module="hub.fleet.social_media",
        versions=("0.21.3", "0.22.0"),
        tags=("marketing", "batch", "can-wait"),
    ),
)
PROJECTS = tuple(member.name for member in MEMBERS)
TANGLED_KIND: FaultKind = "tangled"
TANGLED = "chatbot"  # the one project that has the tangled case; it shows in its dependents too


def dependents_of(project: str) -> tuple[str, ...]:
    """Return the members that say they depend on `project`."""
    return tuple(member.name for member in MEMBERS if project in member.depends_on)
