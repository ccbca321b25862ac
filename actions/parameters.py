"""Whether what a rule or a person gives with an action is what the action takes."""

from collections.abc import Mapping
from typing import Any

from config.action_spec import ActionSpec, ParameterSpec, Scalar, parameters_of
from config.errors import OpsloreError
from config.quoting import shown
from config.sentences import suggestion


class ParameterError(OpsloreError):
    """A parameter is not what the action takes."""

    def __init__(self, action: str, parameter: str, problem: str) -> None:
        self.action = action
        self.parameter = parameter
        self.problem = problem
        super().__init__(f"{action}: {parameter} {problem}")


def check(action: str, spec: ActionSpec, given: Mapping[str, Any]) -> dict[str, Scalar]:
    """Return the parameters as the action takes them, with its defaults for those not given.

    A null counts as not given. One that may be left out and has no default is left out.

    Raises:
        ParameterError: one is unknown, missing, of another type or beyond its limits.
    """
    known = parameters_of(action, spec)
    for name in given:
        if name not in known:
            raise ParameterError(action, name, f"is no parameter of it{suggestion(name, known)}")
    read = {name: _read(action, name, one, given.get(name)) for name, one in known.items()}
    return {name: value for name, value in read.items() if value is not None}


def _read(action: str, name: str, parameter: ParameterSpec, value: object) -> Scalar | None:
    if value is None:
        if parameter.needed:
            raise ParameterError(action, name, "is missing")
        return None if parameter.default is None else parameter.read(parameter.default)
    try:
        return parameter.read(value)
    except ValueError as error:
        raise ParameterError(action, name, f"{error}; {shown(value)} was given") from None
