"""Which other incidents could be facts in a join, told from what never changes about them.

It is the engine that says which facts take part. This spares it those that cannot, of which
there are very many in a big fleet.
"""

from collections.abc import Mapping

from rules.facts import FieldValue
from rules.projection import ProjectView, shared_dependency
from rules.rule import Join, Test

_Fields = Mapping[str, FieldValue]


def may_join(join: Join, kind: str, own: ProjectView, other_kind: str, other: ProjectView) -> bool:
    """Return False where no incident of that kind and project can be a fact in a join.

    `kind` and `own` are the incident's that is looked at.
    """
    signal: _Fields = {"project": own.name, "kind": kind, "dependency": _first(own)}
    fact: _Fields = {
        "project": other.name,
        "kind": other_kind,
        "dependency": _first(other),
        "shared_dependency": shared_dependency(own, other),
        "tags": other.tags,
    }
    same = [name for name in join.same if name in signal]
    return (
        all(fact[name] is not None and fact[name] == signal[name] for name in same)
        and all(fact[name] != signal[name] for name in join.differs if name in signal)
        and all(_may_pass(test, fact[test.field]) for test in join.when if test.field in fact)
    )


def may_be_of(join: Join, kind: str) -> bool:
    """Return False where no incident of a kind can be a fact in a join."""
    return all(_may_pass(test, kind) for test in join.when if test.field == "kind")


def wants_open(join: Join) -> bool:
    """Return whether only incidents that are open can be facts in a join."""
    return any(
        test.field == "state" and test.operator == "eq" and test.operand == "open"
        for test in join.when
    )


def _may_pass(test: Test, value: FieldValue) -> bool:
    held = value if isinstance(value, tuple) else (value,)
    match test.operator:
        case "eq" if isinstance(test.operand, str):
            return test.operand in held
        case "in" if isinstance(test.operand, tuple):
            return any(one in test.operand for one in held)
        case "not_in" if isinstance(test.operand, tuple):
            return not any(one in test.operand for one in held)
        case "exists":
            return (value is not None) == test.operand
        case _:
            return True


def _first(project: ProjectView) -> str | None:
    return project.upstream[0] if project.upstream else None
