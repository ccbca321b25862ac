"""Command actions: the arguments a program gets, what it may not do, and how it ends."""

import asyncio
import json
import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from actions.call import Call, Outcome
from actions.carrier import Carrier
from actions.drivers import process_group
from tests.actions.targets import ATTEMPT, call
from tests.programs import eventually

PYTHON = sys.executable


async def _carried(one: Call, **environ: str) -> Outcome:
    async with Carrier(environ=environ) as carrier:
        return await carrier.carry_out(one)


def _command(*argv: str, **spec: Any) -> Call:
    return call(driver="command", argv=list(argv), **spec)


def _python(code: str, *arguments: str, **spec: Any) -> Call:
    return _command(PYTHON, "-c", code, *arguments, **spec)


TELL = "import json,os,sys; print(json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]))"


async def _told(*arguments: str, **spec: Any) -> tuple[list[str], Mapping[str, str], str]:
    """Return the arguments, the environment and the folder that a program got."""
    path = Path(spec.pop("file"))
    spec.setdefault("environment", {})["TELL_TO"] = str(path)
    code = f"import sys,os; sys.stdout = open(os.environ['TELL_TO'], 'w'); {TELL}"
    outcome = await _carried(_python(code, *arguments, **spec), TOKEN="hunter2")
    assert outcome.result == "done", outcome
    got, environment, folder = _read(path)
    return got, environment, folder


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


class TestWhatAProgramGets:
    async def test_a_parameter_is_one_argument_whatever_is_in_it(self, tmp_path: Path) -> None:
        code = "import sys,json; json.dump(sys.argv[2:], open(sys.argv[1], 'w'))"
        file, value = tmp_path / "argv", "1.2; touch 'x' \"y\" $(z) `a` | b\n* ${TOKEN} {project}"
        one = call(
            "deploy",
            {"version": value},
            driver="command",
            argv=[PYTHON, "-c", code, str(file), "{version}", "--to={version}", "{project}$HOME"],
        )
        assert (await _carried(one)).result == "done"
        assert _read(file) == [value, f"--to={value}", "chatbot$HOME"]

    async def test_a_parameter_cannot_become_an_option(self) -> None:
        one = call("deploy", {"version": "--force"}, driver="command", argv=["true", "{version}"])
        outcome = await _carried(one)
        assert outcome.detail == "version must not begin with a dash: it would be an option"
        assert (outcome.result, outcome.permanent, outcome.status) == ("failed", True, None)

    async def test_an_option_of_the_template_may_hold_one(self, tmp_path: Path) -> None:
        parameters = {"n": {"type": "integer"}, "v": {"type": "text"}}
        code = "import sys; sys.exit(0 if sys.argv[1:] == ['-n-3', '--', 'x-1'] else 1)"
        one = call(
            given={"n": -3.0, "v": "-1"},
            driver="command",
            argv=[PYTHON, "-c", code, "-n{n}", "--", "x{v}"],
            parameters=parameters,
        )
        assert (await _carried(one)).result == "done"

    async def test_an_argument_that_is_left_out_is_no_argument(self) -> None:
        parameters = {"tag": {"type": "text", "required": False}}
        code = "import sys; sys.exit(len(sys.argv) - 1)"
        one = _command(PYTHON, "-c", code, "{tag}", parameters=parameters)
        assert (await _carried(one)).status == 0

    async def test_it_inherits_nothing_but_what_a_program_needs(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OPSLORE_DATABASE_URL", "postgresql://ann:hunter2@a/b")
        monkeypatch.setenv("LD_PRELOAD_NOT", "x")
        _, environment, _ = await _told(file=tmp_path / "told", environment={"KEY": "${TOKEN}"})
        given = {"PATH", "HOME", "LANG", "TZ", "KEY", "TELL_TO", "LC_CTYPE"}
        ours = {"OPSLORE_IDEMPOTENCY_KEY", "OPSLORE_PROJECT", "OPSLORE_ACTION"}
        assert set(environment) <= given | ours
        assert ours <= set(environment)
        assert (environment["KEY"], environment["PATH"]) == ("hunter2", os.environ["PATH"])
        assert environment["OPSLORE_IDEMPOTENCY_KEY"] == str(ATTEMPT)
        assert (environment["OPSLORE_PROJECT"], environment["OPSLORE_ACTION"]) == (
            "chatbot",
            "restart",
        )

    async def test_it_starts_where_it_is_told(self, tmp_path: Path) -> None:
        _, _, folder = await _told(file=tmp_path / "told", cwd=str(tmp_path))
        assert folder == str(tmp_path)

    async def test_it_has_no_input(self) -> None:
        outcome = await _carried(_python("import sys; sys.exit(len(sys.stdin.read()))"))
        assert outcome.result == "done"


class TestHowItEnds:
    async def test_the_end_of_its_output_is_told(self) -> None:
        outcome = await _carried(_python("print('first'); print('rolled back')"))
        assert (outcome.result, outcome.status) == ("done", 0)
        assert outcome.detail.endswith("ended with exit code 0: first rolled back")
        assert outcome.seconds > 0

    async def test_another_exit_code_is_a_failure_that_the_target_told(self) -> None:
        code = "import sys; print('no such unit', file=sys.stderr); sys.exit(5)"
        outcome = await _carried(_python(code))
        assert (outcome.result, outcome.status, outcome.permanent) == ("failed", 5, False)
        assert outcome.detail.endswith("ended with exit code 5: no such unit")

    async def test_another_exit_code_may_mean_success(self) -> None:
        assert (await _carried(_python("exit(3)", success_exit_codes=[0, 3]))).result == "done"

    @pytest.mark.parametrize("code", [126, 127])
    async def test_a_program_that_is_not_there_behind_another_stays_so(self, code: int) -> None:
        assert (await _carried(_python(f"exit({code})"))).permanent

    async def test_a_program_that_is_not_there_had_no_effect(self) -> None:
        outcome = await _carried(_command("no-such-program"))
        assert (outcome.result, outcome.permanent) == ("failed", True)
        assert outcome.detail == "no-such-program could not be started: No such file or directory"

    async def test_a_folder_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        outcome = await _carried(_command("true", cwd=f"{tmp_path}/gone"))
        assert outcome.detail.startswith(f"cwd {tmp_path}/gone could not be started: No such file")

    async def test_a_file_that_is_no_program_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "notes").write_text("x", encoding="utf-8")
        outcome = await _carried(_command(str(tmp_path / "notes")))
        assert outcome.detail == "notes could not be started: Permission denied"

    async def test_one_that_was_killed_is_unknown(self) -> None:
        outcome = await _carried(_python("import os; os.kill(os.getpid(), 9)"))
        assert (outcome.result, outcome.status) == ("unknown", -9)
        assert "was ended by SIGKILL" in outcome.detail

    async def test_one_that_is_late_is_ended_and_unknown(self) -> None:
        outcome = await _carried(
            _python("import time; print('begun', flush=True); time.sleep(60)", timeout="1s")
        )
        assert (outcome.result, outcome.status) == ("unknown", -15)
        assert outcome.detail.endswith("did not end within 1s: begun")
        assert outcome.seconds < 6

    async def test_one_that_does_not_listen_is_killed_with_all_it_started(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(process_group, "GRACE_S", 0.3)
        stubborn = "import signal,time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
        code = f"""
import os, signal, subprocess, sys, time
signal.signal(15, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", {stubborn!r}])
open(sys.argv[1], "w").write(f"{{os.getpid()}} {{child.pid}}")
time.sleep(60)
"""
        file = tmp_path / "pids"
        outcome = await _carried(_python(code, str(file), timeout="1s"))
        assert (outcome.result, outcome.status) == ("unknown", -9)
        await _gone(file)

    async def test_a_child_that_does_not_listen_is_killed_after_its_parent_ended(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(process_group, "GRACE_S", 0.3)
        stubborn = "import signal,time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
        code = f"""
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {stubborn!r}])
time.sleep(0.3)
open(sys.argv[1], "w").write(f"{{os.getpid()}} {{child.pid}}")
time.sleep(60)
"""
        file = tmp_path / "pids"
        assert (await _carried(_python(code, str(file), timeout="1s"))).result == "unknown"
        await _gone(file)

    async def test_a_hub_that_stops_leaves_no_command_behind(self, tmp_path: Path) -> None:
        file = tmp_path / "pids"
        code = "import os,sys,time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)"
        carrying = asyncio.create_task(_carried(_python(code, str(file))))

        async def begun() -> bool:
            return file.exists() and bool(file.read_text())

        await eventually(begun)
        carrying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await carrying
        await _gone(file)

    async def test_what_goes_on_in_the_background_keeps_nobody_waiting(
        self, tmp_path: Path
    ) -> None:
        file = tmp_path / "pid"
        code = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open(sys.argv[1], "w").write(str(child.pid))
"""
        outcome = await _carried(_python(code, str(file)))
        background = psutil.Process(int(file.read_text()))
        assert background.is_running()
        background.kill()
        assert outcome.result == "done"
        assert outcome.seconds < 20


async def _gone(file: Path) -> None:
    pids = [int(pid) for pid in _text(file).split()]

    async def none_runs() -> bool:
        return not any(map(_runs, pids))

    await eventually(none_runs, within_s=8)


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def _runs(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


class TestItsOutput:
    async def test_of_a_flood_only_the_end_is_kept(self) -> None:
        code = "import sys; sys.stdout.write('x' * 12_000_000); print('end')"
        outcome = await _carried(_python(code, max_output_bytes=1_000))
        assert outcome.result == "done"
        assert outcome.detail.endswith("xend")
        assert len(outcome.detail) <= 500

    async def test_a_flood_without_end_stops_with_the_time(self) -> None:
        outcome = await _carried(_command("yes", timeout="1s"))
        assert outcome.result == "unknown"
        assert outcome.seconds < 6

    async def test_what_is_no_text_is_told_as_text(self) -> None:
        code = r"import sys; sys.stdout.buffer.write(b'a\x00\xff\x1b[31mb\n')"
        assert (await _carried(_python(code))).detail.isprintable()

    async def test_a_secret_in_it_is_masked(self) -> None:
        code = "import os; print('key', os.environ['KEY'])"
        outcome = await _carried(_python(code, environment={"KEY": "${TOKEN}"}), TOKEN="hunter2")
        assert outcome.detail.endswith(": key ***")

    async def test_half_a_secret_at_the_cut_is_not_told(self) -> None:
        code = "import os; print('x' * 5000 + os.environ['KEY'])"
        one = _python(code, environment={"KEY": "${TOKEN}"}, max_output_bytes=1_000)
        outcome = await _carried(one, TOKEN="0123456789" * 150)
        assert "0123" not in outcome.detail

    async def test_a_default_is_no_secret(self) -> None:
        code = "import os; print('team', os.environ['TEAM'])"
        outcome = await _carried(_python(code, environment={"TEAM": "${TEAM:-operations}"}))
        assert outcome.detail.endswith(": team operations")


async def test_a_script_file_gets_its_arguments(tmp_path: Path) -> None:
    script = tmp_path / "restart.sh"
    script.write_text('#!/bin/sh\n[ "$1" = "a b; exit 9" ] && exit 0\nexit 1\n', encoding="utf-8")
    script.chmod(stat.S_IRWXU)
    one = call(
        "deploy", {"version": "a b; exit 9"}, driver="command", argv=[str(script), "{version}"]
    )
    assert (await _carried(one)).result == "done"


async def test_many_commands_run_at_a_time() -> None:
    async with Carrier() as carrier:
        calls = [carrier.carry_out(_python("import time; time.sleep(0.5)")) for _ in range(4)]
        outcomes = await asyncio.gather(*calls)
    assert {outcome.result for outcome in outcomes} == {"done"}
