"""`opslore actions …`: what can be done to projects, what was, and doing it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args

import typer

from config.action_spec import ActionSpec, parameters_of, risk_of
from config.hub_file import read_hub
from config.project_spec import ProjectSpec
from config.settings import Settings
from data import attempts, interventions, projects
from data.attempts import Attempt
from data.interventions import Step
from data.states import AttemptState
from hub.commands import action_request
from hub.commands.action_request import Wish
from hub.commands.attempts_table import print_attempt, print_attempts, short_id
from hub.commands.brake import warn_if_stopped
from hub.commands.outcome import (
    EXIT_FAILED,
    AsJson,
    print_error,
    print_json,
    print_line,
    print_table,
    run,
)
from hub.commands.people import By, Reason
from hub.record_access import open_record

WENT_WELL = frozenset({"completed", "verifying", "rolled_back"})

app = typer.Typer(
    help="See what can be done to projects and what was, and do it.", no_args_is_help=True
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """An action as a project declares it."""

    project: str
    action: str
    risk: str
    undo: str | None
    driver: str
    timeout_s: float
    description: str
    parameters: Mapping[str, Any]


def _check_state(state: str | None) -> str | None:
    if state is not None and state not in get_args(AttemptState):
        raise typer.BadParameter(f"must be one of {', '.join(get_args(AttemptState))}")
    return state


@app.command("list")
def list_actions(
    project: Annotated[str | None, typer.Option(help="Only on this project.")] = None,
    state: Annotated[
        str | None, typer.Option(help="Only in this state, as failed.", callback=_check_state)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many of the newest.")] = 50,
    *,
    as_json: AsJson = False,
) -> None:
    """Show attempts, the newest first; above them whether the brake is pulled."""

    async def load() -> list[Attempt]:
        async with open_record(Settings()) as database:
            if not as_json:
                await warn_if_stopped(database)
            return await attempts.list_newest(
                database,
                project=project,
                state=state,  # type: ignore[arg-type]  # it was checked above
                limit=limit,
            )

    found = run(load())
    if as_json:
        print_json(found)
    else:
        print_attempts(found)


@app.command("show")
def show_action(
    attempt: Annotated[str, typer.Argument(metavar="ATTEMPT", help="Its id, or the start of it.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Show one attempt in full, with every step that the audit chain has of it."""

    async def load() -> tuple[Attempt, list[Step]]:
        async with open_record(Settings()) as database:
            found = await attempts.find_by_prefix(database, attempt)
            return found, await interventions.steps_of(database, found.id)

    found, steps = run(load())
    if as_json:
        print_json({"attempt": found, "steps": steps})
    else:
        print_attempt(found, steps)


@app.command("catalogue")
def catalogue(
    project: Annotated[str | None, typer.Argument(help="Only this project.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show which actions the projects declare."""

    async def load() -> list[ProjectSpec]:
        async with open_record(Settings()) as database:
            if project is not None:
                return [(await projects.find(database, project)).spec]
            return await projects.list_specs(database)

    found = [
        _declared(spec.name, name, action)
        for spec in run(load())
        for name, action in spec.actions.items()
    ]
    if as_json:
        print_json(found)
        return
    print_table(
        found,
        {
            "PROJECT": lambda d: d.project,
            "ACTION": lambda d: d.action,
            "RISK": lambda d: d.risk,
            "UNDO": lambda d: d.undo or "–",
            "DRIVER": lambda d: d.driver,
            "PARAMETERS": _parameters_in_words,
            "DESCRIPTION": lambda d: d.description,
        },
    )


@app.command("run")
def run_action(
    project: Annotated[str, typer.Argument(help="The project.")],
    action: Annotated[str, typer.Argument(help="One of its actions; see `catalogue`.")],
    *,
    reason: Reason,
    by: By,
    param: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="May be given again.")
    ] = None,
    incident: Annotated[int | None, typer.Option(help="The incident that it is for.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Everything but the action itself.")
    ] = False,
    wait: Annotated[bool, typer.Option(help="Wait for the outcome.")] = True,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before what destroys.")] = False,
    as_json: AsJson = False,
) -> None:
    """Have a running hub carry out an action now; exit with 1 when it did not go well."""
    try:
        given = action_request.read_parameters(param or [])
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--param") from None
    wish = Wish(
        project=project,
        action=action,
        given=given,
        incident_id=incident,
        by=by,
        reason=reason,
        dry_run=dry_run,
    )
    done = run(_carry_out(wish, wait=wait, yes=yes))
    if as_json:
        print_json(done)
    else:
        _tell(done, wait=wait)
    if wait and done.state not in WENT_WELL:
        raise typer.Exit(EXIT_FAILED)


async def _carry_out(wish: Wish, *, wait: bool, yes: bool) -> Attempt:
    settings = Settings()
    heartbeat = read_hub(settings.hub_file).polling.heartbeat
    async with open_record(settings) as database:
        spec = await action_request.declared(database, wish)
        if risk_of(wish.action, spec) == "destructive" and not wish.dry_run and not yes:
            _confirm(wish)
        attempt = await action_request.ask(database, wish, spec, heartbeat=heartbeat)
        return await action_request.outcome(database, attempt, spec) if wait else attempt


def _confirm(wish: Wish) -> None:
    """Ask whoever sits there.

    Raises:
        typer.Abort: the answer is no, or nobody can be asked.
    """
    typer.confirm(
        f"{wish.action} {wish.project} is destructive and cannot be taken back. Do it?",
        abort=True,
        err=True,
    )


def _tell(done: Attempt, *, wait: bool) -> None:
    said = f"{done.action} {done.project}: {done.state}"
    said += f": {done.outcome}" if done.outcome else ""
    if not wait:
        print_line(f"{said}; `opslore actions show {short_id(done)}` tells what came of it")
    elif done.state in WENT_WELL:
        helping = "; whether it helps is seen by the incident" if done.state == "verifying" else ""
        print_line(f"{said}{helping} (attempt {short_id(done)})")
    else:
        print_error(f"{said} (attempt {short_id(done)})")


def _declared(project: str, name: str, spec: ActionSpec) -> Declared:
    return Declared(
        project=project,
        action=name,
        risk=risk_of(name, spec),
        undo=spec.undo,
        driver=spec.driver,
        timeout_s=spec.timeout.total_seconds(),
        description=spec.description or "",
        parameters={
            parameter: {**told.model_dump(mode="json", exclude_none=True), "needed": told.needed}
            for parameter, told in parameters_of(name, spec).items()
        },
    )


def _parameters_in_words(declared: Declared) -> str:
    return ", ".join(
        f"{name}: {told['type']}{'' if told['needed'] else ' (optional)'}"
        for name, told in declared.parameters.items()
    )
