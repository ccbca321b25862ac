"""Whether the audit chain is guarded as the migrations say: its triggers and their functions."""

import re
from typing import Final

from psycopg.rows import DictRow

from data.chain_walk import Breach
from data.database import Connection
from data.migrations import FOLDER
from data.named_sql import read_queries

_SQL = read_queries("audit_chain")
_FUNCTION: Final = re.compile(
    r"^CREATE (?:OR REPLACE )?FUNCTION (\w+)\(.*?\$\$(.*?)\$\$", re.MULTILINE | re.DOTALL
)
_BEFORE: Final = 2
_EVENTS: Final = {  # pg_trigger.tgtype: row 1, before 2, insert 4, delete 8, update 16, truncate 32
    ("action_history", "chain_action"): 1 + 2 + 4,
    ("action_history", "refuse_change"): 2 + 8 + 16 + 32,
    ("record_identity", "refuse_change"): 2 + 8 + 16 + 32,
}


async def unguarded(connection: Connection) -> list[Breach]:
    """Return what keeps the chain from being guarded, in sentences."""
    triggers = await _rows(connection, "chain_triggers")
    functions = await _rows(connection, "chain_functions", names=["action_history_hash"])
    (table,) = await _rows(connection, "chain_table")
    bodies = _bodies()
    problems = [
        *_trigger_problems(triggers, bodies),
        *_function_problems(functions, bodies),
        *(_TABLE[what] for what, is_so in table.items() if is_so),
    ]
    return [Breach(kind="unguarded", seq=None, problem=problem) for problem in problems]


_TABLE: Final = {
    "other_kind": "action_history is no plain table",
    "row_security": "row security of action_history may hide rows",
    "rules": "rules rewrite what is asked of action_history",
    "children": "other tables inherit from action_history",
}


def _trigger_problems(triggers: list[DictRow], bodies: dict[str, str]) -> list[str]:
    problems = []
    found = {(row["table_name"], row["name"]): row for row in triggers}
    for key, events in _EVENTS.items():
        table, name = key
        row = found.get(key)
        if row is None:
            problems.append(f"the trigger {name} of {table} is missing")
        elif row["enabled"] != "A":
            problems.append(f"the trigger {name} of {table} is disabled, or not always enabled")
        elif row["events"] != events or not row["unconditional"] or row["function"] != name:
            problems.append(f"the trigger {name} of {table} is not as it was made")
        elif row["body"] != bodies[name]:
            problems.append(f"the function of the trigger {name} of {table} was changed")
    problems += [
        f"the trigger {name} of {table} is a stranger"
        for (table, name), row in found.items()
        if (table, name) not in _EVENTS and row["events"] & _BEFORE
    ]
    return problems


def _function_problems(functions: list[DictRow], bodies: dict[str, str]) -> list[str]:
    name = "action_history_hash"
    if [row["body"] for row in functions] != [bodies[name]]:
        return [f"the function {name} was changed, or there are others of its name"]
    return []


def _bodies() -> dict[str, str]:
    """Return the body of each function as the newest migration has it."""
    texts = (path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.sql")))
    return {name: body for text in texts for name, body in _FUNCTION.findall(text)}


async def _rows(connection: Connection, query: str, **params: object) -> list[DictRow]:
    return await (await connection.execute(_SQL[query], params)).fetchall()
