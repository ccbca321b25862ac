"""Why the hub does what it does, or does nothing, as it is said to people."""

from collections.abc import Mapping
from typing import Final

_REASONS: Final[Mapping[str, str]] = {
    "no_rule": "no rule covers it",
    "attempts_used_up": "every attempt that its rule allows has failed",
    "permanent_failure": "the last attempt failed in a way that trying again does not help",
    "rejected": "the action was rejected",
    "approval_expired": "nobody approved the action in time",
    "not_declared": "the project does not declare the action that its rule asks for",
    "parameters_invalid": "the rule's parameters are not those that the action takes",
    "autonomy_observe": "the project's autonomy is observe: nothing is done by itself",
    "autonomy_suggest": "the project's autonomy is suggest: a person decides",
    "brake": "the global brake is pulled",
    "network_suspected": "most of the fleet is silent: it may be the hub's own network",
    "breaker_open": "the action failed too often lately, so its circuit breaker is open",
    "rate_limited": "the project has seen as many actions as it may within the window",
    "blast_radius": "as many projects as may be have been acted on within the window",
    "cooling_down": "the same action helped a moment ago and is not repeated at once",
    "busy": "another action is under way",
    "dry_run": "this is a dry run: the action was not really carried out",
    "explained": "another incident explains it",
    "gathering_facts": "no rule covers it so far, and facts are still coming in",
    "approval_needed": "its rule holds and somebody must approve",
    "approval_pending": "somebody must approve",
    "backing_off": "the last attempt failed and the next one waits",
}
_MATCHED: Final[Mapping[str, str]] = {
    "suppress": "its rule says to leave it alone",
    "escalate": "its rule asks for a person",
}


def words_for(step: str, reason: str) -> str:
    """Return why a verdict came out as it did; its reason is one word."""
    if reason == "matched":
        return _MATCHED.get(step, "its rule holds")
    return _REASONS.get(reason, reason.replace("_", " "))
