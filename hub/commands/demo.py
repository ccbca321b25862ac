"""`opslore demo`: the whole thing on this machine, with faults that really happen."""

import asyncio
import json
import signal
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live

from config.settings import Settings
from data import events as event_log
from data import projects as registry
from data.database import DatabaseError
from hub.commands.outcome import EXIT_FAILED, EXIT_INTERRUPTED, AsJson, print_json, print_line, run
from hub.demo.account import Account, FaultAccount, as_json
from hub.demo.pace import HUB
from hub.demo.run import DemoPlan, DemoRun, demo_run
from hub.demo.screen import draw
from hub.fleet.members import KINDS, FaultKind

REFRESH_S = 0.5
EVENTS_READ = 100


def demo(
    seconds: Annotated[
        float | None, typer.Option(min=1, help="End after so many seconds of watching.")
    ] = None,
    headless: Annotated[bool, typer.Option("--headless", help="Draw nothing.")] = False,
    report: Annotated[Path | None, typer.Option(help="Write the account of the run here.")] = None,
    faults: Annotated[
        str, typer.Option(help=f"Which faults, of {','.join(KINDS)}.", show_default=False)
    ] = ",".join(KINDS),
    seed: Annotated[
        int | None, typer.Option(help="A random schedule of faults, repeatable by its seed.")
    ] = None,
    *,
    json_wanted: AsJson = False,
) -> None:
    """Start three real projects, break them, and watch it being noticed.

    Exits with 1 when a fault went unnoticed or something else went wrong.
    """
    plan = DemoPlan(seconds=seconds, kinds=_kinds(faults), seed=seed)
    account = run(_until_signal(_show(plan, headless=headless or json_wanted)))
    if report is not None:
        report.write_text(json.dumps(as_json(account), indent=2) + "\n")
    if json_wanted:
        print_json(as_json(account))
    else:
        _print_summary(account)
    if account.interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)
    if not account.is_good:
        raise typer.Exit(EXIT_FAILED)


def _kinds(text: str) -> tuple[FaultKind, ...]:
    wanted = [word.strip() for word in text.split(",") if word.strip()]
    unknown = sorted(set(wanted) - set(KINDS))
    if unknown:
        raise typer.BadParameter(
            f"no such fault: {', '.join(unknown)}; choose of {', '.join(KINDS)}"
        )
    return tuple(kind for kind in KINDS if kind in wanted)


async def _until_signal(work: Coroutine[Any, Any, Account]) -> Account:
    """Run to the end; SIGTERM and Ctrl-C cancel what runs, so that it ends in order."""
    task = asyncio.ensure_future(work)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await task


async def _show(plan: DemoPlan, *, headless: bool) -> Account:
    """Run the demo for its time; an interrupted one still gives its account."""
    settings = Settings()
    async with demo_run(settings, HUB, _ignore if headless else _tell) as running:
        playing = asyncio.create_task(running.play(plan.rounds()), name="faults")
        try:
            async with asyncio.timeout(plan.seconds):
                await (_wait(playing) if headless else _draw(running, playing))
        except TimeoutError:
            pass
        except asyncio.CancelledError:
            running.interrupted = True
        playing.cancel()
        with suppress(asyncio.CancelledError):
            await playing
        return await running.account()


def _tell(awaited: str) -> None:
    print_line(f"starting {awaited} …", "dim")


def _ignore(_: str) -> None:
    pass


async def _wait(playing: "asyncio.Task[None]") -> None:
    """Wait for ever, but fail with the faults if they cannot be played."""
    await playing
    await asyncio.Event().wait()


async def _draw(running: DemoRun, playing: "asyncio.Task[None]") -> None:
    """Draw the screen twice a second, what could not be read as it was."""
    prefect = running.supervisor.prefect
    loading = asyncio.create_task(prefect.ready()) if prefect else None
    console = Console()
    try:
        with Live(console=console, auto_refresh=False, transient=False) as live:
            while True:
                with suppress(DatabaseError):
                    live.update(
                        draw(
                            projects=await registry.list_all(running.database),
                            events=await event_log.latest(running.database, limit=EVENTS_READ),
                            addresses=_addresses(running, loading),
                            headline=running.headline(),
                            rows=console.height,
                        ),
                        refresh=True,
                    )
                if playing.done():
                    playing.result()
                await asyncio.sleep(REFRESH_S)
    finally:
        if loading:
            loading.cancel()


def _addresses(running: DemoRun, loading: "asyncio.Task[None] | None") -> list[tuple[str, str]]:
    prefect = running.supervisor.prefect_ui_url or "switched off"
    if loading and not loading.done():
        prefect += "  (loading)"
    elif loading and loading.exception():
        prefect += "  (does not start)"
    return [
        ("Prefect UI", prefect),
        ("hosting", running.fleet.platform_url),
        *running.fleet.project_urls.items(),
    ]


def _print_summary(account: Account) -> None:
    print_line(
        f"{account.seconds:.0f} s, {account.probes} probes, {account.scrapes} scrapes,"
        f" {account.flow_runs} flow runs"
    )
    for fault in account.faults:
        good = fault.detected_at is not None and fault.is_answered
        print_line(f"  {fault.kind:<8} {fault.project:<13} {_noticed(fault)}", _style(good=good))
        print_line(f"  {'':<8} {'':<13} {_answered(fault)}", _style(good=good))
    if account.median_request_delay_s is not None:
        print_line(f"from event to request, median: {account.median_request_delay_s * 1000:.0f} ms")
    for message in account.messages:
        print_line(f"  told you: {message}")
    for alarm in account.false_alarms:
        print_line(f"  false alarm: {alarm['message']}", "yellow")
    for error in account.errors:
        print_line(f"  {error}", "red")


def _style(*, good: bool) -> str | None:
    return None if good else "red"


def _noticed(fault: FaultAccount) -> str:
    if fault.detection_delay_s is None:
        return "not noticed"
    return f"noticed after {fault.detection_delay_s:5.2f} s: {fault.reason}"


def _answered(fault: FaultAccount) -> str:
    healing = fault.healing
    if healing.request_delay_s is None:
        return healing.message or "nothing was done"
    approved = f", approved by {healing.approved_by}" if healing.approved_by else ""
    did = f"{healing.action} after {healing.request_delay_s:.3f} s by {healing.rule}{approved}"
    if healing.verify_delay_s is None:
        return f"{did}: not verified"
    return f"{did}, verified {healing.verify_delay_s:.1f} s later"
