"""The JSON schema of rule files, for editors: it completes words and underlines mistakes.

What is wrong in a file is told by `rules.language.reading`, which sees more than a schema can.
Write the schema that is kept beside the rules with

    python -m rules.language.json_schema
"""

import json
from pathlib import Path
from typing import Final, get_args

from config.action_spec import VERBS
from config.escalation import SEVERITIES
from rules.facts import FactType
from rules.language.schema_parts import (
    DURATION,
    Schema,
    asked_definitions,
    closed,
    condition,
    duration,
    given,
    listed,
    ref,
    text,
    whole,
)
from rules.language.situations import EXPECTATIONS
from rules.language.vocabulary import AUTONOMIES, FACTS, PLURALS, SIGNAL
from rules.rule import Mode

PATH: Final = Path(__file__).parents[1] / "rules.schema.json"
"""Where the schema is kept; rule files name it in their first line."""

KINDS: Final = (
    "cpu", "memory", "error_rate", "latency", "down", "degraded", "fleet_unreachable",
)  # fmt: skip


def rules_schema() -> Schema:
    """Return the schema of a rule file, in the draft of JSON Schema that editors know best."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Rules of Opslore",
        **closed(
            {
                "description": text("What the rules of this file are about."),
                "rules": {"type": "array", "maxItems": 200, "items": ref("rule")},
            },
            required=["rules"],
        ),
        "definitions": {
            "rule": _rule(),
            "when": _when(),
            "condition": condition(SIGNAL, "Tests that must all hold."),
            "then": _then(),
            "retry": _retry(),
            "step": _step(),
            "example": _example(),
            "duration": DURATION,
            **asked_definitions([SIGNAL, *FACTS.values()]),
            **{f"join-{fact}": _join(fact) for fact in FACTS},
        },
    }


def schema_text() -> str:
    """Return the text of the file that editors read."""
    return json.dumps(rules_schema(), indent=2, ensure_ascii=False) + "\n"


def _rule() -> Schema:
    joins = {"oneOf": [ref(f"join-{fact}") for fact in FACTS]}
    fields: dict[str, Schema] = {
        "name": {
            "type": "string",
            "pattern": "^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$",
            "description": "Is unique over all files.",
        },
        "description": text("Why there is this rule; shown to who has to approve."),
        "priority": whole("The lower goes first.", 0, 1000, 100),
        "mode": {
            "enum": [*get_args(Mode), False],
            "default": "active",
            "description": "shadow: is only recorded; off: is not asked.",
        },
        "when": ref("when"),
        "any": listed(ref("condition"), "One of these must hold."),
        "unless": listed(ref("condition"), "None of these may hold."),
        "with": listed(joins, "What must be beside the incident.", 5),
        "absent": listed(joins, "What must not be beside the incident.", 5),
        "then": ref("then"),
        "escalate": listed(ref("step"), "Whom to tell when it comes to that.", 20),
        "examples": {
            "type": "array",
            "minItems": 1,
            "maxItems": 50,
            "items": ref("example"),
            "description": "Situations with what must come of them; they run at every change.",
        },
    }
    return closed(fields, required=["name", "when", "then", "examples"])


def _when() -> Schema:
    one = {"type": "string", "examples": [*KINDS, "any"]}
    kind = {
        "anyOf": [one, {"type": "array", "minItems": 1, "items": one}],
        "description": f"{', '.join(KINDS)}, another metric without its unit; or any",
    }
    tests = condition(SIGNAL, "What the incident must be like.")
    return {
        **tests,
        "properties": {**tests["properties"], "kind": kind},
        "required": ["kind"],
    }


def _join(fact: FactType) -> Schema:
    words = FACTS[fact]
    shared = [name for name, kind in words.fields.items() if kind == SIGNAL.kind_of(name) != "tags"]
    names = {"type": "array", "items": {"enum": shared}}
    fields: dict[str, Schema] = {
        "fact": {"const": fact},
        "same": {**names, "description": "Fields that the fact and the incident have equal."},
        "differs": {**names, "description": "Fields in which the two differ."},
        "when": condition(words, "What the fact must be like."),
        "within": duration("How long ago at most, 1s to 30d."),
        "min": whole("How many of them, at least.", 1, 50, 1),
    }
    return closed(fields, required=["fact", "within"])


def _then() -> Schema:
    action = {"type": "string", "examples": list(VERBS)}
    ending = {"action": action, "after": duration("How long the project must be calm.")}
    fields: dict[str, Schema] = {
        "action": {**action, "description": "What to do; the project must declare it."},
        "parameters": {"type": "object", "maxProperties": 20},
        "on": {
            "enum": ["project", "dependency"],
            "default": "project",
            "description": "The incident's project, or what it depends on.",
        },
        "approval": {
            "enum": ["required", "not_required", "by_risk"],
            "default": "by_risk",
            "description": "by_risk: destructive actions need it. Autonomy approve: all do.",
        },
        "retry": ref("retry"),
        "verify": closed(
            {"within": duration("How long the project has to be well again.")}, required=["within"]
        ),
        "undo": {"type": "boolean", "default": True, "description": "When all attempts failed."},
        "release": closed(ending, required=["action", "after"]),
        "cooldown": duration("Not again on the same project before, once it helped."),
        "suppress": text("Do nothing, for this reason."),
        "escalate": text("Do nothing but tell people, for this reason."),
    }
    alone = [closed({name: fields[name]}, required=[name]) for name in ("suppress", "escalate")]
    acting = {name: field for name, field in fields.items() if name not in ("suppress", "escalate")}
    return {"oneOf": [closed(acting, required=["action"]), *alone]}


def _retry() -> Schema:
    return closed(
        {
            "max_attempts": whole("How often in one incident.", 1, 10, 3),
            "wait_initial": duration("Before the second; then doubled."),
            "wait_max": duration("No wait is longer."),
        }
    )


def _step() -> Schema:
    fields: dict[str, Schema] = {
        "notify": text("A contact of config/hub.yaml."),
        "after": duration("After the escalation began."),
        "severity": {"enum": list(SEVERITIES), "description": "Only if at least so severe."},
        "repeat": duration("Again and again, until acknowledged."),
    }
    return closed(fields, required=["notify"])


def _example() -> Schema:
    standing = closed(
        {
            "attempts": whole("Finished attempts in this incident.", 0, 100, 0),
            "breaker": {"enum": ["closed", "open"]},
            "approval": {"enum": ["none", "pending", "approved", "rejected", "expired"]},
            "autonomy": {"enum": list(AUTONOMIES)},
            "declared": {"type": "boolean", "description": "Whether the project has the action."},
        }
    )
    facts = {
        plural: listed(given(FACTS[fact], age=True), f"Each a fact: {fact}.")
        for plural, fact in PLURALS.items()
    }
    fields: dict[str, Schema] = {
        "given": {**given(SIGNAL), "required": ["kind"], "description": "The incident."},
        "facts": {**closed(facts), "description": "What is beside it."},
        "standing": standing,
        "expect": {"enum": list(EXPECTATIONS)},
    }
    return closed(fields, required=["given", "expect"])


if __name__ == "__main__":
    PATH.write_text(schema_text(), encoding="utf-8")
