"""Which recorded things could be facts in a join, told from what never changes about them."""

from collections.abc import Mapping, Sequence

from data.past import PastIncident
from rules.facts import FieldValue
from rules.projection import ProjectView, shared_dependency
from rules.rule import Condition, Join, Test

_Fields = Mapping[str, FieldValue]


def may_join(
    joins: Sequence[Join],
    other: PastIncident,
    incident: PastIncident,
    projects: Mapping[str, ProjectView],
) -> bool:
    """Return False where another incident can be a fact in none of these joins.

    It is the engine that says which facts take part. This spares it those that cannot, of which
    there are many in a big fleet.
    """
    own, its = projects[incident.project], projects[other.project]
    signal: _Fields = {
        "project": incident.project,
        "kind": incident.kind,
        "dependency": own.upstream[0] if own.upstream else None,
    }
    fact: _Fields = {
        "project": other.project,
        "kind": other.kind,
        "dependency": its.upstream[0] if its.upstream else None,
        "shared_dependency": shared_dependency(own, its),
    }
    return any(
        join.fact == "incident"
        and all(fact[n] is not None and fact[n] == signal[n] for n in join.same if n in signal)
        and all(fact[n] != signal[n] for n in join.differs if n in signal)
        and _may_hold(join.when, fact)
        for join in joins
    )


def _may_hold(condition: Condition, fact: _Fields) -> bool:
    return all(_may_pass(test, fact[test.field]) for test in condition if test.field in fact)


def _may_pass(test: Test, value: FieldValue) -> bool:
    match test.operator:
        case "eq" if isinstance(test.operand, str):
            return value == test.operand
        case "in" if isinstance(test.operand, tuple):
            return value in test.operand
        case "exists":
            return (value is not None) == test.operand
        case _:
            return True
