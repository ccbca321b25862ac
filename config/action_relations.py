"""What only all actions of a project together can tell: risks, undoing, placeholders."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from config.action_spec import VERBS, ActionSpec, NotifyAction, parameters_of
from config.action_templates import BUILT_IN, Steps, placeholders
from config.quoting import quoted
from config.sentences import suggestion


class Misfit(NamedTuple):
    """What is wrong, and where below `actions`."""

    at: Steps
    problem: str


def with_verbs_undo(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the actions with the undo of their verb where they say nothing, and it is declared."""
    filled = dict(given)
    for name, action in given.items():
        verb = VERBS.get(name)
        undo = verb.undo if verb else None
        if undo in given and isinstance(action, Mapping) and "undo" not in action:
            filled[name] = {**action, "undo": undo}
    return filled


def misfits(actions: Mapping[str, ActionSpec]) -> Iterator[Misfit]:
    """Yield what does not fit together among the actions of one project."""
    for name, spec in actions.items():
        if spec.risk is None and name not in VERBS:
            yield Misfit(
                (name, "risk"),
                "is missing: an action with a name of its own must say whether it is reversible,"
                " disruptive or destructive",
            )
        yield from _unknown_placeholders(name, spec)
        yield from _undo(name, spec, actions)


def unknown_contacts(
    actions: Mapping[str, ActionSpec], contacts: Collection[str]
) -> Iterator[Misfit]:
    """Yield the notices of a project to somebody who is not among the hub's contacts."""
    for name, spec in actions.items():
        if isinstance(spec, NotifyAction) and spec.contact not in contacts:
            hint = suggestion(spec.contact, contacts)
            problem = f"must be a contact of the hub file, got {quoted(spec.contact)}{hint}"
            yield Misfit((name, "contact"), problem)


def _unknown_placeholders(name: str, spec: ActionSpec) -> Iterator[Misfit]:
    known = {*parameters_of(name, spec), *BUILT_IN}
    for at, template in spec.templates():
        for unknown in placeholders(template):
            if unknown not in known:
                hint = suggestion(unknown, known) or ": declare it under parameters"
                yield Misfit(
                    (name, *at),
                    f"must name parameters of the action, got {quoted(f'{{{unknown}}}')}{hint}",
                )


def _undo(name: str, spec: ActionSpec, actions: Mapping[str, ActionSpec]) -> Iterator[Misfit]:
    undo, at = spec.undo, (name, "undo")
    if undo is None:
        return
    if undo == name:
        yield Misfit(at, "must not be the action itself")
    elif undo not in actions:
        hint = suggestion(undo, actions)
        yield Misfit(at, f"must be an action of this project, got {quoted(undo)}{hint}")
    elif needed := [key for key, one in parameters_of(undo, actions[undo]).items() if one.needed]:
        yield Misfit(
            at, f"must be an action that needs no parameters; {undo} needs {', '.join(needed)}"
        )
    elif circle := _circle(name, actions):
        yield Misfit(at, f"must not go in a circle: {' -> '.join(circle)}")


def _circle(name: str, actions: Mapping[str, ActionSpec]) -> list[str]:
    """Return the way from an action over its undo back to it, for the first of a circle.

    Pause and resume may undo each other.
    """
    way = [name]
    while (spec := actions.get(way[-1])) is not None and spec.undo is not None:
        way.append(spec.undo)
        if spec.undo == name:
            first = next(one for one in actions if one in way)
            return way if name == first and set(way) != {"pause", "resume"} else []
        if spec.undo in way[:-1]:
            return []
    return []
