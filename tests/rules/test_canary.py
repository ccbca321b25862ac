"""Rules are tried in a process of their own, and what kills it is a fault of the rules."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rules.canary import try_out
from rules.language.reading import read_rules
from rules.live_rules import DEFAULT_FOLDERS
from rules.trial import Finding, Trial
from tests.rules.rule_texts import rule_text, save


def _try(folder: Path, timeout_s: float = 20) -> Finding:
    with Trial(timeout_s=timeout_s) as trial:
        trial.ask([folder])
        return trial.finding()


@pytest.fixture
def doomed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rules.trial.PROGRAM", "tests.rules.doomed_canary")


def test_the_rules_that_come_with_the_hub_are_found_good() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rules.canary", *map(str, DEFAULT_FOLDERS)],
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout.splitlines()[-1])
    assert told == {"version": read_rules(DEFAULT_FOLDERS).version, "faults": []}


def test_the_process_needs_neither_prefect_nor_polars_nor_panel() -> None:
    script = "import sys, rules.canary; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()
    assert {"prefect", "polars", "panel", "fastapi", "anthropic", "duckdb"}.isdisjoint(loaded)


def test_good_rules_have_a_version_and_no_faults(tmp_path: Path) -> None:
    save(tmp_path, "one.yaml", rule_text())
    assert _try(tmp_path) == Finding(version=read_rules([tmp_path]).version, faults=())


def test_faults_of_a_file_are_told_by_line(tmp_path: Path) -> None:
    file = save(tmp_path, "one.yaml", rule_text(when="{kind: cpu, valu: 3}"))
    (fault,) = _try(tmp_path).faults
    assert (fault.file, fault.line) == (str(file), 5)


def test_an_example_that_comes_out_otherwise_is_a_fault(tmp_path: Path) -> None:
    example = "{given: {kind: cpu, value: 89}, expect: match}"
    file = save(tmp_path, "one.yaml", rule_text(example=example))
    (fault,) = _try(tmp_path).faults
    assert (fault.file, fault.line) == (str(file), 7)
    assert fault.problem == "must be match, came out as no_match"


def test_what_is_tried_next_is_told_beforehand(tmp_path: Path) -> None:
    file = save(tmp_path, "one.yaml", rule_text())
    told: list[str] = []
    try_out([tmp_path], told.append)
    assert told == ["the files", "all rules together", f"rule restart-it, {file}:3"]


@pytest.mark.usefixtures("doomed")
def test_a_crash_of_the_engine_names_the_rule_and_the_signal(tmp_path: Path) -> None:
    save(tmp_path, "one.yaml", rule_text("fine", priority=1))
    save(tmp_path, "two.yaml", rule_text("segfault", priority=2))
    (fault,) = _try(tmp_path).faults
    assert "was ended by SIGSEGV" in fault.problem
    assert "while it tried rule segfault" in fault.problem


@pytest.mark.usefixtures("doomed")
def test_a_hang_of_the_engine_names_the_rule(tmp_path: Path) -> None:
    save(tmp_path, "one.yaml", rule_text("hang"))
    with Trial(timeout_s=5) as trial:
        trial.ask([tmp_path])
        (fault,) = trial.finding().faults
        assert trial.ended
    assert "did not come to an end in 5 s, while it tried rule hang" in fault.problem


@pytest.mark.usefixtures("doomed")
def test_an_engine_that_takes_all_memory_is_stopped(tmp_path: Path) -> None:
    save(tmp_path, "one.yaml", rule_text("glutton"))
    (fault,) = _try(tmp_path).faults
    assert "MemoryError" in fault.problem


def test_a_process_that_is_not_needed_ends() -> None:
    with Trial() as trial:
        pass
    assert trial.ended
