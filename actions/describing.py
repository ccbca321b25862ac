"""What a call would do, in one line, for dry runs and approvals: secrets by their names only."""

import json
import re
import shlex
from typing import Any, Final, assert_never

from actions.call import Call
from actions.filling import CannotFill, Filling
from actions.notification.plain_text import one_line
from actions.parameters import ParameterError
from actions.secret_filling import MASK, SENSITIVE, Unresolved
from config.action_spec import CommandAction, HttpAction, NotifyAction

MOST_CHARACTERS: Final = 400
_QUERY: Final = re.compile(r"(?<=[?&])([^=&]*)=([^&]*)")
_OPTION: Final = re.compile(r"(--?[^=\s]+)=(.*)", re.DOTALL)


def describe(call: Call) -> str:
    """Return what carrying out the call would do; where it could not be done, why."""
    try:
        filling = Filling(call, Unresolved())
        return one_line(_described(call, filling), MOST_CHARACTERS)
    except (ParameterError, CannotFill) as error:
        return one_line(f"nothing: {error}", MOST_CHARACTERS)


def _described(call: Call, filling: Filling) -> str:
    match call.spec:
        case HttpAction() as spec:
            return _request(spec, filling)
        case CommandAction() as spec:
            return _command(spec, filling)
        case NotifyAction() as spec:
            return f"a {spec.severity} notice to {spec.contact}: {filling.text(spec.message)}"
        case _:
            assert_never(call.spec)


def _request(spec: HttpAction, filling: Filling) -> str:
    text = f"{spec.method} {_QUERY.sub(_query_value, filling.url(spec.url))}"
    if spec.headers:
        text += f" with {'header' if len(spec.headers) == 1 else 'headers'} "
        text += ", ".join(spec.headers)
    if spec.body is not None:
        body = _without_secrets(filling.json(spec.body))
        text += f" and body {json.dumps(body, ensure_ascii=False)}"
    elif spec.form:
        fields = {name: filling.text(value) for name, value in spec.form.items()}
        text += f" and form {json.dumps(_without_secrets(fields), ensure_ascii=False)}"
    return text


def _command(spec: CommandAction, filling: Filling) -> str:
    arguments = (filling.argument(template) for template in spec.argv)
    text = shlex.join(_hidden([one for one in arguments if one is not None]))
    if spec.cwd:
        text += f" in {spec.cwd}"
    if spec.environment:
        text += f" with {', '.join(spec.environment)} set"
    return text


def _query_value(found: re.Match[str]) -> str:
    return f"{found[1]}={MASK}" if SENSITIVE.search(found[1]) else found[0]


def _hidden(argv: list[str]) -> list[str]:
    """Hide what follows an option such as --token, in the same argument or the next."""
    shown: list[str] = []
    for argument in argv:
        option = _OPTION.fullmatch(argument)
        before = shown[-1] if shown else ""
        if option and SENSITIVE.search(option[1].lstrip("-")):
            shown.append(f"{option[1]}={MASK}")
        elif before.startswith("--") and "=" not in before and SENSITIVE.search(before[2:]):
            shown.append(MASK)
        else:
            shown.append(argument)
    return shown


def _without_secrets(value: Any) -> Any:
    match value:
        case dict():
            return {
                key: MASK if SENSITIVE.search(key) and inner else _without_secrets(inner)
                for key, inner in value.items()
            }
        case list():
            return [_without_secrets(inner) for inner in value]
        case _:
            return value
