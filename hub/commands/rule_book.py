"""`opslore rules …`: what the rules are, whether their examples hold, what they would have done."""

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from config.errors import ConfigError, Fault, OpsloreError
from config.settings import Settings
from hub.commands.outcome import (
    EXIT_FAILED,
    EXIT_NOT_FOUND,
    AsJson,
    print_error,
    print_json,
    print_line,
    print_table,
)
from hub.commands.rule_sources import known_contacts, read_places
from rules.language.json_schema import schema_text
from rules.language.references import reference_faults
from rules.rule import Rule, RuleBook

app = typer.Typer(
    help="List the rules, run their examples, replay the record through them.",
    no_args_is_help=True,
)

Places = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[FILE_OR_FOLDER]...", help="Those of the hubs unless given."),
]


class SchemaUnwritable(OpsloreError):
    """The schema cannot be written there."""


@app.command("list")
def list_rules(*, as_json: AsJson = False) -> None:
    """Show the rules in the order in which they are asked."""
    book = read_places([], Settings())
    if as_json:
        print_json([_as_json(rule, book) for rule in book.rules])
        return
    print_table(
        book.rules,
        {
            "RULE": lambda r: r.name,
            "PRIORITY": lambda r: str(r.priority),
            "MODE": lambda r: r.mode,
            "KIND": _kinds,
            "THEN": _then,
            "FILE": _place,
        },
    )
    print_line(f"version {book.version}")


@app.command("show")
def show_rule(
    name: Annotated[str, typer.Argument(help="The rule's name.")], *, as_json: AsJson = False
) -> None:
    """Show one rule as its file says it."""
    book = read_places([], Settings())
    rule = next((one for one in book.rules if one.name == name), None)
    if rule is None:
        print_error(f"no rule is named {name}; `opslore rules list` shows them")
        raise typer.Exit(EXIT_NOT_FOUND)
    text = _text_of(rule, book)
    if as_json:
        print_json({**_as_json(rule, book), "description": rule.description, "text": text})
        return
    print_line(_place(rule), "bold")
    for line in text.splitlines():
        print_line(line)


@app.command("test")
def try_rules(places: Places = None, *, as_json: AsJson = False) -> None:
    """Read rules and run their examples; exit with 1 and every fault when there is one."""
    try:
        settings = Settings()
        book = read_places(places or [], settings)
        contacts = known_contacts(settings)
        faults = [*_example_faults(book), *reference_faults(book.rules, contacts=contacts)]
    except ConfigError as error:
        book, faults = None, list(error.faults)
    if as_json:
        print_json(
            {
                "version": book.version if book else None,
                "rules": [_as_json(rule, book) for rule in book.rules] if book else [],
                "faults": faults,
            }
        )
    else:
        _tell_tested(book, faults)
    if faults:
        raise typer.Exit(EXIT_FAILED)


@app.command("schema")
def schema(
    output: Annotated[Path | None, typer.Option(help="Write it to this file instead.")] = None,
) -> None:
    """Print the JSON schema of rule files, for editors."""
    if output is None:
        sys.stdout.write(schema_text())
        return
    try:
        output.write_text(schema_text(), encoding="utf-8")
    except OSError as error:
        raise SchemaUnwritable(f"{output}: {error.strerror}") from None
    print_line(f"wrote {output}")


def _example_faults(book: RuleBook) -> list[Fault]:
    from rules.checking import example_faults  # noqa: PLC0415 (it loads durable_rules)

    return example_faults(book)


def _tell_tested(book: RuleBook | None, faults: list[Fault]) -> None:
    wrong = Counter((fault.file, _rule_of(fault)) for fault in faults)
    for rule in book.rules if book else ():
        count = len(rule.examples)
        held = count - wrong[rule.file, rule.name]
        said = f"{'ok' if held == count else 'failed':<7}{rule.name}: {held} of {count} examples"
        print_line(f"{said}  {_place(rule)}", None if held == count else "red")
    for fault in faults:
        print_error(str(fault))
    if book and not faults:
        print_line(f"rules: {len(book.rules)}, version {book.version}")


def _rule_of(fault: Fault) -> str:
    """Return the name of the rule in a fault's field, as in `rules.NAME.examples[2]`."""
    return fault.field.removeprefix("rules.").rpartition(".examples")[0]


def _as_json(rule: Rule, book: RuleBook) -> dict[str, object]:
    return {
        "name": rule.name,
        "priority": rule.priority,
        "mode": rule.mode,
        "kinds": rule.when.kinds,
        "step": rule.then.step,
        "action": rule.then.action,
        "examples": len(rule.examples),
        "file": rule.file,
        "line": rule.line,
        "version": book.version,
    }


def _kinds(rule: Rule) -> str:
    return "any" if rule.when.kinds is None else ", ".join(rule.when.kinds)


def _then(rule: Rule) -> str:
    then = rule.then
    if then.step != "act":
        return f"{then.step}: {then.reason}"
    return f"{then.action}" + (" (the dependency)" if then.on == "dependency" else "")


def _place(rule: Rule) -> str:
    return f"{rule.file}:{rule.line}"


def _text_of(rule: Rule, book: RuleBook) -> str:
    """Return the lines of the file from the rule's first to the next rule's."""
    lines = Path(rule.file).read_text(encoding="utf-8").splitlines()
    after = [one.line for one in book.rules if one.file == rule.file and one.line > rule.line]
    last = min(after, default=len(lines) + 1)
    return "\n".join(lines[rule.line - 1 : last - 1]).rstrip() + "\n"
