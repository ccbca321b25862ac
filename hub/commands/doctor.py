"""`opslore doctor`: would it work here, and if not, what to do."""

import typer

from config.settings import Settings
from hub.commands.outcome import EXIT_FAILED, AsJson, print_json, print_line, run
from hub.examination import Answer, examine

STYLES = {"ok": "green", "warning": "yellow", "failed": "red"}


def doctor(*, as_json: AsJson = False) -> None:
    """Examine this machine and its configuration; exit with 1 when something must be mended."""

    async def look() -> list[Answer]:
        return [answer async for answer in examine(Settings())]

    answers = run(look())
    if as_json:
        print_json(answers)
    else:
        for answer in answers:
            first, *others = answer.found.splitlines() or [""]
            print_line(f"{answer.state:<8} {answer.subject:<14} {first}", STYLES[answer.state])
            for line in others:
                print_line(f"{'':<8} {'':<14} {line}", STYLES[answer.state])
            if answer.advice:
                print_line(f"{'':<8} {'':<14} → {answer.advice}")
    if any(answer.state == "failed" for answer in answers):
        raise typer.Exit(EXIT_FAILED)
