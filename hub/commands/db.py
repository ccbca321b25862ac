"""`opslore db …`: the schema of the record."""

import typer

from config.settings import Settings
from data import migrations
from data.migrations import Migration
from hub.commands.outcome import EXIT_FAILED, AsJson, print_json, print_line, run
from hub.record_access import open_record

app = typer.Typer(help="See and bring up to date the schema of the record.", no_args_is_help=True)


@app.command("migrate")
def migrate(*, as_json: AsJson = False) -> None:
    """Apply the migrations that are missing."""

    async def apply() -> list[Migration]:
        async with open_record(Settings(), migrate=False) as database:
            return await migrations.migrate(database)

    applied = run(apply())
    if as_json:
        print_json({"applied": [step.name for step in applied]})
    else:
        for step in applied:
            print_line(f"applied {step.name}")
        print_line("the record is up to date")


@app.command("status")
def status(*, as_json: AsJson = False) -> None:
    """Show each migration; exit with 1 when one is missing."""

    async def look() -> list[Migration]:
        async with open_record(Settings(), migrate=False) as database:
            return await migrations.status(database)

    steps = run(look())
    if as_json:
        print_json(steps)
    else:
        for step in steps:
            print_line(f"{step.name}  {'applied' if step.applied else 'missing'}")
    if not all(step.applied for step in steps):
        raise typer.Exit(EXIT_FAILED)
