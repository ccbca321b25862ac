"""The rules in force follow their files, as far as these are right."""

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from config.errors import ConfigError
from rules.engine import Engine
from rules.facts import Signal
from rules.language.reading import read_rules
from rules.live_rules import LiveRules, RuleChange, look
from tests.rules.rule_texts import rule_text, save

HOT = Signal(at=datetime(2026, 3, 1, tzinfo=UTC), fields={"kind": "cpu", "value": 95.0})
PATIENCE_S = 15.0
CHAIN = "    escalate: [{{notify: {}}}]\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "library"
    folder.mkdir()
    save(folder, "one.yaml", rule_text("one"))
    return folder


@pytest.fixture
def live(folder: Path) -> LiveRules:
    """The rules as `load` leaves them, without the second that trying them takes."""
    live = LiveRules([folder])
    live._seen = look([folder])
    live.engine = Engine(read_rules([folder]))
    return live


def _names(engine: Engine) -> list[str]:
    return [match.rule.name for match in engine.match(HOT, ())]


@asynccontextmanager
async def _followed(live: LiveRules) -> AsyncIterator["asyncio.Queue[RuleChange]"]:
    changes: asyncio.Queue[RuleChange] = asyncio.Queue()
    following = asyncio.create_task(live.follow(changes.put))
    try:
        yield changes
    finally:
        following.cancel()
        await asyncio.wait([following])


async def _next(changes: "asyncio.Queue[RuleChange]") -> RuleChange:
    return await asyncio.wait_for(changes.get(), PATIENCE_S)


async def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


def test_before_loading_no_rule_is_in_force(folder: Path) -> None:
    assert _names(LiveRules([folder]).engine) == []


def test_loading_puts_the_rules_in_force(folder: Path) -> None:
    live = LiveRules([folder])
    live.load()
    assert _names(live.engine) == ["one"]
    assert live.fault is None


def test_loading_tells_every_fault_and_leaves_no_rule_in_force(folder: Path) -> None:
    save(folder, "two.yaml", rule_text("two", when="{kind: cpu, valu: 3}"))
    live = LiveRules([folder, folder / "gone"])
    with pytest.raises(ConfigError) as error:
        live.load()
    assert len(error.value.faults) == 2
    assert live.fault == str(error.value)
    assert _names(live.engine) == []


async def test_an_edit_takes_effect_and_tells_what_changed(live: LiveRules, folder: Path) -> None:
    before = live.engine.book.version
    async with _followed(live) as changes:
        save(folder, "one.yaml", rule_text("one", when="{kind: cpu, value: {gte: 80}}"))
        save(folder, "two.yaml", rule_text("two"))
        change = await _next(changes)
    assert change == RuleChange(
        accepted=True, version=live.engine.book.version, added=("two",), changed=("one",)
    )
    assert change.version != before
    assert _names(live.engine) == ["one", "two"]


async def test_a_broken_edit_keeps_the_old_rules_and_tells_why(
    live: LiveRules, folder: Path
) -> None:
    version = live.engine.book.version
    async with _followed(live) as changes:
        file = save(folder, "one.yaml", rule_text("one", then="{action: restrat}"))
        change = await _next(changes)
    assert not change.accepted
    assert (change.version, live.engine.book.version) == (version, version)
    assert (change.faults[0].file, change.faults[0].line) == (str(file), 6)
    assert live.fault == "\n".join(map(str, change.faults))
    assert _names(live.engine) == ["one"]


async def test_a_failing_example_keeps_the_old_rules(live: LiveRules, folder: Path) -> None:
    async with _followed(live) as changes:
        example = "{given: {kind: cpu, value: 10}, expect: match}"
        save(folder, "one.yaml", rule_text("one", example=example))
        change = await _next(changes)
    assert [fault.problem for fault in change.faults] == ["must be match, came out as no_match"]
    assert _names(live.engine) == ["one"]


async def test_an_edit_that_tells_somebody_unknown_is_refused(
    live: LiveRules, folder: Path
) -> None:
    live._contacts = {"oncall"}
    async with _followed(live) as changes:
        save(folder, "two.yaml", rule_text("two") + CHAIN.format("onkall"))
        change = await _next(changes)
    assert [fault.field for fault in change.faults] == ["rules.two.escalate[0].notify"]
    assert _names(live.engine) == ["one"]


def test_rules_that_tell_somebody_unknown_are_in_force_from_the_start(folder: Path) -> None:
    save(folder, "two.yaml", rule_text("two") + CHAIN.format("onkall"))
    live = LiveRules([folder], contacts={"oncall"})
    live.load()
    assert _names(live.engine) == ["one", "two"]
    assert live.fault is not None
    assert live.fault.endswith('got "onkall": did you mean oncall?')


async def test_the_same_fault_is_told_once(live: LiveRules, folder: Path) -> None:
    async with _followed(live) as changes:
        file = save(folder, "two.yaml", "rules: [")
        assert not (await _next(changes)).accepted
        file.touch()
        await _until(lambda: live._seen == look([folder]))
        save(folder, "two.yaml", "rulez: []")
        change = await _next(changes)
    assert not change.accepted
    assert changes.empty()
    assert live.faults == change.faults


async def test_rules_that_crash_the_engine_keep_the_old_ones_in_force(
    live: LiveRules, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rules.trial.PROGRAM", "tests.rules.doomed_canary")
    async with _followed(live) as changes:
        save(folder, "two.yaml", rule_text("segfault"))
        change = await _next(changes)
    assert "SIGSEGV" in change.faults[0].problem
    assert _names(live.engine) == ["one"]


async def test_mending_a_fault_is_told_even_if_the_rules_are_the_old_ones(
    live: LiveRules, folder: Path
) -> None:
    async with _followed(live) as changes:
        save(folder, "one.yaml", "rules: [")
        assert not (await _next(changes)).accepted
        save(folder, "one.yaml", rule_text("one"))
        change = await _next(changes)
    assert change == RuleChange(accepted=True, version=live.engine.book.version)
    assert live.fault is None


async def test_a_comment_changes_nothing_that_is_told(live: LiveRules, folder: Path) -> None:
    version, engine = live.engine.book.version, live.engine
    async with _followed(live) as changes:
        save(folder, "one.yaml", "# why\n" + rule_text("one"))
        await _until(lambda: live.engine is not engine)
        assert changes.empty()
    assert live.engine.book.version == version


async def test_a_half_saved_file_is_not_read(live: LiveRules, folder: Path) -> None:
    text = rule_text("one") + rule_text("two").replace("\nrules:\n", "")
    async with _followed(live) as changes:
        with (folder / "one.yaml").open("w") as file:
            for start in range(0, len(text), 40):
                file.write(text[start : start + 40])
                file.flush()
                await asyncio.sleep(0.1)
        change = await _next(changes)
    assert (change.accepted, change.added) == (True, ("two",))


async def test_a_deleted_file_takes_its_rules_with_it(live: LiveRules, folder: Path) -> None:
    save(folder, "two.yaml", rule_text("two"))
    async with _followed(live) as changes:
        assert (await _next(changes)).added == ("two",)
        (folder / "one.yaml").unlink()
        assert (await _next(changes)).removed == ("one",)
    assert _names(live.engine) == ["two"]


async def test_a_folder_that_vanishes_keeps_the_rules_until_it_is_back(
    live: LiveRules, folder: Path
) -> None:
    async with _followed(live) as changes:
        shutil.move(folder, folder.with_name("elsewhere"))
        change = await _next(changes)
        assert [fault.problem for fault in change.faults] == ["does not exist"]
        assert _names(live.engine) == ["one"]
        shutil.move(folder.with_name("elsewhere"), folder)
        assert (await _next(changes)).accepted


async def test_what_a_link_leads_to_is_followed(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        save(tmp_path / name, "rules.yaml", rule_text(name))
    folder = tmp_path / "library"
    folder.mkdir()
    (tmp_path / "current").symlink_to("old")
    (folder / "rules.yaml").symlink_to(tmp_path / "current" / "rules.yaml")
    live = LiveRules([folder])
    live.load()
    async with _followed(live) as changes:
        (tmp_path / "next").symlink_to("new")
        (tmp_path / "next").replace(tmp_path / "current")
        change = await _next(changes)
        assert (change.added, change.removed) == (("new",), ("old",))
        save(tmp_path / "new", "rules.yaml", rule_text("newer"))
        assert (await _next(changes)).added == ("newer",)


async def test_decisions_go_on_while_rules_are_exchanged(live: LiveRules, folder: Path) -> None:
    async with _followed(live) as changes:
        asked = 0
        for number in range(2):
            save(folder, "one.yaml", rule_text(f"one-{number}"))
            while changes.empty():
                engine = live.engine
                await asyncio.sleep(0)
                assert _names(engine) == [engine.book.rules[0].name]
                asked += 1
                await asyncio.sleep(0.005)
            assert (await _next(changes)).accepted
    assert asked > 10
    assert _names(live.engine) == ["one-1"]


async def test_following_leaves_no_process_behind(live: LiveRules, folder: Path) -> None:
    async with _followed(live):
        save(folder, "one.yaml", rule_text("two"))
        await asyncio.sleep(0.6)
    await _until(lambda: not _has_children())


def _has_children() -> bool:
    try:
        return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:
        return False
