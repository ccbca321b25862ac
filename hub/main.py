"""The command line: `opslore …`. Each noun has a module in `hub/commands/`."""

import signal

import typer

signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C while the rest loads: no traceback

from hub.commands import (  # noqa: E402
    acting,
    approvals,
    audit,
    backtest,
    brake,
    check,
    contacts,
    credit,
    db,
    demo,
    doctor,
    events,
    hubs,
    incidents,
    projects,
    rule_book,
    silences,
    up,
    version,
)
from hub.commands.outcome import Commands  # noqa: E402

signal.signal(signal.SIGINT, signal.default_int_handler)

app = typer.Typer(
    name="opslore",
    cls=Commands,
    help="Watches automation projects, heals what it knows how to heal, and keeps the record.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("demo")(demo.demo)
app.command("up")(up.up)
app.command("hub")(hubs.hub)
app.command("check")(check.check)
app.command("doctor")(doctor.doctor)
app.add_typer(projects.app, name="projects")
app.command("events")(events.events)
app.add_typer(incidents.app, name="incidents")
app.add_typer(acting.app, name="actions")
app.add_typer(approvals.app, name="approvals")
app.command("stop-acting")(brake.stop_acting)
app.command("resume-acting")(brake.resume_acting)
app.add_typer(silences.app, name="silences")
rule_book.app.command("backtest")(backtest.backtest)
app.add_typer(rule_book.app, name="rules")
app.add_typer(contacts.app, name="contacts")
app.add_typer(audit.app, name="audit")
app.command("credit")(credit.credit)
app.add_typer(db.app, name="db")
app.command("version")(version.version)

if __name__ == "__main__":
    app()
