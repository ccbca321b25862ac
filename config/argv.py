"""A command as a list of arguments: what may stand in it, and what would be a shell after all."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Final

from config.action_templates import check, placeholders
from config.quoting import quoted

_SHELLS: Final = frozenset(
    ("ash", "bash", "csh", "dash", "fish", "ksh", "mksh", "rbash", "sh", "tcsh", "yash", "zsh")
)
_SWITCHERS: Final = frozenset(("flock", "runuser", "script", "su"))
"""Programs that give what follows their -c to a shell."""
_TAKES_VALUE: Final = re.compile(r"[-+][A-Za-z]*[oO]|--rcfile|--init-file")
_OPTION_C: Final = re.compile(r"-[A-Za-z]*c[A-Za-z]*|--command(=.*)?")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_MOST_ARGUMENTS: Final = 100
_MOST_CHARACTERS: Final = 4_000


def check_argv(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return the arguments, the program first.

    Raises:
        ValueError: there are none, they hold a secret, or they give text to a shell.
    """
    if not 1 <= len(argv) <= _MOST_ARGUMENTS:
        raise ValueError(f"must be 1 to {_MOST_ARGUMENTS} arguments, got {len(argv)}")
    if not argv[0] or placeholders(argv[0]):
        raise ValueError("must begin with a program's name, without placeholders")
    for argument in argv:
        _check_argument(argument)
    if shell := _shell_with_text(argv):
        raise ValueError(
            f"must not give text to {shell}, which would read a parameter as commands:"
            " write a script file, and its path here"
        )
    return argv


def check_cwd(path: str) -> str:
    """Return the folder that a command starts in.

    Raises:
        ValueError: it is not absolute.
    """
    if not path.startswith("/") or not path.isprintable():
        raise ValueError("must be an absolute path, as /srv/chatbot")
    return path


def check_environment(environment: Mapping[str, str]) -> Mapping[str, str]:
    """Return the variables; their values are templates with secrets.

    Raises:
        ValueError: a name is none, or is one that Opslore sets.
    """
    for name, template in environment.items():
        if not _VARIABLE.fullmatch(name):
            raise ValueError(f"must name variables by letters and digits, got {quoted(name)}")
        if name.startswith("OPSLORE_"):
            raise ValueError(f"must not set {name}: those that begin with OPSLORE_ are Opslore's")
        _check_text(template)
        check(template)
    return environment


def _check_argument(argument: str) -> None:
    _check_text(argument)
    if "${" in argument:
        raise ValueError(
            "must not hold a ${NAME}, which whoever lists processes could see:"
            " write it under environment"
        )


def _check_text(text: str) -> None:
    if len(text) > _MOST_CHARACTERS or "\0" in text:
        raise ValueError(f"must have at most {_MOST_CHARACTERS:,} characters each, and no NUL")


def _shell_with_text(argv: Sequence[str]) -> str | None:
    """Return the shell that is given text with -c, also behind a program such as sudo or env."""
    for position, argument in enumerate(argv):
        name, rest = PurePosixPath(argument).name, argv[position + 1 :]
        options = rest if name in _SWITCHERS and position == 0 else _options(rest)
        known = name in _SHELLS or name in _SWITCHERS
        if known and any(map(_OPTION_C.fullmatch, options)):
            return name
    return None


def _options(arguments: Sequence[str]) -> Iterator[str]:
    """Yield the options before the first argument that is none, and is no option's value."""
    is_value = False
    for argument in arguments:
        if not is_value and not argument.startswith(("-", "+")):
            return
        if not is_value:
            yield argument
        is_value = not is_value and _TAKES_VALUE.fullmatch(argument) is not None
