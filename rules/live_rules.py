"""The rules in force, which follow their files: an edit takes effect within two seconds."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from config.errors import ConfigError, Fault
from rules.durable_host import EngineError
from rules.engine import Engine
from rules.language.reading import book_of, read_as_far_as_right, rule_files
from rules.language.references import reference_faults
from rules.language.version import content_of
from rules.rule import RuleBook
from rules.trial import Trial

DEFAULT_FOLDERS: Final = (
    Path(__file__).resolve().parent / "library",
    Path(__file__).resolve().parent / "learned",
)
LOOK_EVERY_S: Final = 0.25
"""How often the folders are looked at; files that stay as they are for as long are read."""

_MOVED: Final = "moved"

Look = tuple[object, ...]
"""What tells whether anything changed in the folders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleChange:
    """What became of an edit; `version` is that of the rules in force afterwards.

    An edit that was not accepted has its faults; the names are those of active and shadow rules.
    """

    accepted: bool
    version: str
    faults: tuple[Fault, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


OnChange = Callable[[RuleChange], Awaitable[None]]


class Tried(NamedTuple):
    """Rules that can be in force, and what they name that nobody knows."""

    engine: Engine
    unknown: tuple[Fault, ...]


class LiveRules:
    """The rules of some folders, in an engine that is exchanged whole.

    There is an engine from the beginning, without a rule until `load` has succeeded. One that was
    replaced works on for whoever still holds it, and is freed when nobody does, so a decision is
    made by one version of the rules from its beginning to its end. `faults` are what is wrong
    with the files as they are now. Only where the `contacts` or the `actions` that there are are
    given is it a fault to name another one.
    """

    def __init__(
        self,
        folders: Sequence[Path] = DEFAULT_FOLDERS,
        *,
        contacts: Collection[str] | None = None,
        actions: Collection[str] | None = None,
    ) -> None:
        self.folders = tuple(folders)
        self.faults: tuple[Fault, ...] = ()
        self.engine = Engine(book_of(()))
        self._contacts, self._actions = contacts, actions
        self._refused_for: tuple[Fault, ...] = ()
        self._seen: Look = ()

    @property
    def fault(self) -> str | None:
        """All faults, a line each, None where the files are right."""
        return str(ConfigError(self.faults)) if self.faults else None

    def load(self) -> None:
        """Put the rules in force, after they were tried in a canary process; blocks.

        Rules that name somebody or something unknown are in force too, with `faults`: not to be
        healed at all would be worse.

        Raises:
            ConfigError: with every fault, also of an example that comes out otherwise; no rule
                is in force.
        """
        self._seen = look(self.folders)
        try:
            with Trial() as trial:
                self.engine, self.faults = self._tried(trial)
        except ConfigError as error:
            self.faults = self._refused_for = error.faults
            raise

    async def follow(self, on_change: OnChange) -> None:
        """Watch the folders until cancelled, and tell of every edit what became of it.

        Edits that change nothing in what the rules say are taken over in silence.
        """
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if await asyncio.to_thread(look, self.folders) != self._seen:
                change = await self._take_over()
                if change is not None:
                    await on_change(change)

    async def _take_over(self) -> RuleChange | None:
        """Put the edited rules in force, or keep the old ones; return what there is to tell.

        1. The canary process starts, and gets ready while the files are waited for.
        2. The files are read once they stay as they are, so none is half saved.
        3. What has changed again in the meantime is started over with, at the next look.
        """
        with await asyncio.to_thread(Trial) as trial:
            settled = await self._settled()
            try:
                engine = await asyncio.to_thread(self._accepted, trial)
            except ConfigError as error:
                if await asyncio.to_thread(look, self.folders) != settled:
                    return None
                self._seen = settled
                return self._refused(error)
        if await asyncio.to_thread(look, self.folders) != settled:
            return None
        self._seen = settled
        return self._exchange(engine)

    async def _settled(self) -> Look:
        before: Look | None = None
        while (now := await asyncio.to_thread(look, self.folders)) != before:
            before = now
            await asyncio.sleep(LOOK_EVERY_S)
        return now

    def _refused(self, error: ConfigError) -> RuleChange | None:
        """Keep the old rules; there is nothing to tell if the last edit had the same faults."""
        is_known = self._refused_for == error.faults
        self.faults = self._refused_for = error.faults
        if is_known:
            return None
        return RuleChange(accepted=False, version=self.engine.book.version, faults=error.faults)

    def _exchange(self, engine: Engine) -> RuleChange | None:
        old, new = self.engine.book, engine.book
        had_faults, self.faults, self._refused_for = bool(self.faults), (), ()
        self.engine = engine
        if old.version == new.version and not had_faults:
            return None
        return _difference(old, new)

    def _accepted(self, trial: Trial) -> Engine:
        """Return an engine for the rules, in which nothing at all may be wrong.

        Raises:
            ConfigError: they have faults.
        """
        engine, unknown = self._tried(trial)
        if unknown:
            raise ConfigError(unknown)
        return engine

    def _tried(self, trial: Trial) -> Tried:
        """Return an engine for the rules, which the trial must have found good as they were read.

        Raises:
            ConfigError: they have faults other than that they name what is unknown.
        """
        trial.ask(self.folders)
        rules, faults = read_as_far_as_right(self.folders)
        book = book_of(rules)
        unknown = reference_faults(rules, contacts=self._contacts, actions=self._actions)
        finding = trial.finding()
        if wrong := finding.faults or faults:
            raise ConfigError([*wrong, *unknown])
        if finding.version != book.version:
            raise ConfigError([Fault("rules", 0, "rules", "changed while they were tried")])
        try:
            return Tried(Engine(book), tuple(unknown))
        except EngineError as error:
            raise ConfigError([Fault("rules", 0, "rules", str(error))]) from error


def look(folders: Sequence[Path]) -> Look:
    """Return what changes with every file that is edited, added, removed or linked elsewhere."""
    try:
        return tuple((str(path), *_stat(path)) for path in (*folders, *rule_files(folders)))
    except OSError:
        return (_MOVED,)


def _stat(path: Path) -> tuple[object, ...]:
    try:
        found = path.stat()
    except OSError as error:
        return (error.errno,)
    if path.is_dir():
        return (found.st_dev, found.st_ino)
    return (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size)


def _difference(old: RuleBook, new: RuleBook) -> RuleChange:
    before = {content["name"]: content for content in content_of(old.rules)}
    after = {content["name"]: content for content in content_of(new.rules)}
    return RuleChange(
        accepted=True,
        version=new.version,
        added=tuple(sorted(after.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - after.keys())),
        changed=tuple(
            sorted(name for name in after.keys() & before.keys() if after[name] != before[name])
        ),
    )
