"""How messages read: sandboxed templates, the first line of which is the subject."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jinja2 import ChoiceLoader, FileSystemLoader, StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment, SandboxedEnvironment

from actions.notification.message import MOST_LISTED, Message
from actions.notification.plain_text import MOST_SUBJECT, one_line
from config.contacts import NotificationSettings

logger = logging.getLogger(__name__)

FOLDER: Final = Path(__file__).parent / "templates"
NAMES: Final = ("single", "group", "test")
_MOST_BODY: Final = 6_000
_MOST_PUT_IN: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A message as it is sent: a subject of at most 120 characters, a body of at most 6,000."""

    subject: str
    body: str


class Templates:
    """The templates of a folder, and where it has none, or one that fails, the built-in ones.

    Whatever a template puts in comes out on one line, so that no text of a project passes for
    a line of the message.
    """

    def __init__(self, folder: Path | None, public_url: str | None) -> None:
        self._public_url = public_url
        self._built_in = _environment(FOLDER)
        self._own = _environment(folder, FOLDER) if folder else self._built_in
        self._folder = folder

    @classmethod
    def of(cls, settings: NotificationSettings) -> "Templates":
        """Return the templates that the hub file asks for; a folder may begin with `~`."""
        folder = Path(settings.templates).expanduser() if settings.templates else None
        return cls(folder, settings.public_url)

    def faults(self) -> list[str]:
        """Return what is wrong with the folder's templates, one sentence each."""
        if self._folder is not None and not self._folder.is_dir():
            return [f"the folder of templates does not exist: {one_line(str(self._folder))}"]
        found = []
        for name in NAMES:
            try:
                self._own.get_template(f"{name}.txt")
            except (TemplateError, OSError, UnicodeDecodeError) as error:
                found.append(f"the template {name}.txt is not used: {one_line(str(error))}")
        return found

    def render(self, message: Message, contact: str) -> Text:
        name = "single" if message.only else "group"
        return self._render(name, {"message": message, "contact": contact})

    def render_test(self, contact: str, now: str) -> Text:
        return self._render("test", {"contact": contact, "now": now})

    def _render(self, name: str, values: Mapping[str, Any]) -> Text:
        given = {**values, "public_url": self._public_url, "most_listed": MOST_LISTED}
        if self._own is not self._built_in:
            try:
                return _text(self._own.get_template(f"{name}.txt").render(given))
            except Exception as error:  # somebody else's program: a notice is sent all the same
                reason = one_line(f"{type(error).__name__}: {error}")
                logger.warning("the template %s.txt is not used: %s", name, reason)
        return _text(self._built_in.get_template(f"{name}.txt").render(given))


def _environment(*folders: Path) -> SandboxedEnvironment:
    return ImmutableSandboxedEnvironment(
        loader=ChoiceLoader([FileSystemLoader(folder) for folder in folders]),
        undefined=StrictUndefined,
        finalize=_put_in,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )


def _put_in(value: object) -> str:
    """Return what a template puts in, on one line; nothing for None; its indent is kept."""
    text = "" if value is None else str(value)
    margin = len(text) - len(text.lstrip(" "))
    tail = " " if text[margin:].endswith(" ") else ""
    return f"{' ' * min(margin, 8)}{one_line(text, _MOST_PUT_IN)}{tail}"


def _text(rendered: str) -> Text:
    subject, _, body = rendered.strip().partition("\n")
    body = "\n".join(line.rstrip() for line in body.strip("\n").splitlines())
    if len(body) > _MOST_BODY:
        cut = body.rfind("\n", 0, _MOST_BODY)
        body = body[: cut if cut > 0 else _MOST_BODY] + "\n…"
    return Text(subject=one_line(subject, MOST_SUBJECT), body=body or subject)
