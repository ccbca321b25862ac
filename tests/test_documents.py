"""What the documents say is so: commands, settings with their defaults and limits."""

import re
import textwrap
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_args

import click
import pytest
from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from typer.main import get_command

from config.action_spec import VERBS
from config.durations import format_duration, parse_duration
from config.hub_file import HubSettings
from config.project_spec import ProjectSpec
from config.projects_file import read_projects_text
from config.section import Section
from config.settings import Settings
from config.thresholds import BUILT_IN
from config.validation import Origin, examine
from config.yaml_source import parse_yaml
from hub.main import app
from rules.engine import Engine
from rules.examples import run_examples
from rules.language.reading import read_rules
from tests.documents import ROOT, rows

README = (ROOT / "README.md").read_text()
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text()
ROWS = rows("docs/configuration.md")
DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))),
]
OPTION = r"--[a-z]+(?:-[a-z]+)*"
OF_OTHERS = {"--user"}
"""Options of other programs that documents speak of."""
STAND_INS = {
    "thresholds": "METRIC",
    "metrics": "NAME",
    "actions": "NAME",
    "actions.NAME.parameters": "PARAMETER",
    "contacts": "NAME",
}


class Documented(NamedTuple):
    """A field that the document must have, by its dotted path."""

    path: str
    field: FieldInfo


def _fields(model: type[Section], prefix: str = "") -> Iterator[Documented]:
    for name, field in model.model_fields.items():
        path = f"{prefix}{field.serialization_alias or name}"
        inner = [section for section in _sections_in(field.annotation) if section is not model]
        if not inner:
            yield Documented(path, field)
        stand_in = f".{STAND_INS[path]}." if path in STAND_INS else "."
        for section in inner:
            yield from _fields(section, f"{path}{stand_in}")


def _sections_in(annotation: Any) -> Iterator[type[Section]]:
    """Yield the sections of an annotation: several where a thing may be of several kinds."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for inner in get_args(annotation):
        yield from _sections_in(inner)


FIELDS = list({one.path: one for one in (*_fields(HubSettings), *_fields(ProjectSpec))}.values())


def _named(text: str) -> set[str]:
    """Return the commands in code of a text; `a b|c` stands for `a b` and `a c`."""
    found = set()
    for words in re.findall(
        r"(?:`|^|run )opslore ((?:[a-z]+(?:-[a-z]+)*[|\\]*)+(?: [a-z|\\]+)?)", text, re.M
    ):
        noun, _, verbs = words.replace("\\", "").partition(" ")
        found |= {f"opslore {noun} {verb}".strip() for verb in verbs.split("|")}
    return found


def _leaves() -> Iterator[tuple[str, click.Command]]:
    yield from _below(get_command(app), "opslore")


def _below(command: Any, name: str) -> Iterator[tuple[str, click.Command]]:
    if not hasattr(command, "commands"):
        yield name, command
    for word, inner in getattr(command, "commands", {}).items():
        yield from _below(inner, f"{name} {word}")


COMMANDS = {name for name, _ in _leaves()}


def test_every_command_is_named_in_the_readme() -> None:
    assert COMMANDS - _named(README) == set()


def test_everything_that_a_command_prints_as_json_is_documented() -> None:
    """By its own heading, or in words below one of the same noun."""
    shown = {name for name, command in _leaves() if any("--json" in p.opts for p in command.params)}
    assert shown - _explained() == set()


def _explained() -> set[str]:
    found = set()
    for section in re.split(r"(?m)^## ", (ROOT / "docs/json.md").read_text())[1:]:
        heading, *lines = section.splitlines()
        words = " ".join(line for line in lines if not line.startswith("|"))
        nouns = {heading.rpartition(" ")[0], *re.findall(r"`(opslore \w+) [\w-]+`", words)}
        found |= {heading, *re.findall(r"`(opslore [\w -]+)`", words)}
        found |= {f"{noun} {verb}" for noun in nouns for verb in re.findall(r"`([\w-]+)`", words)}
    return found


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_that_a_document_names_exists(document: str) -> None:
    nouns = {" ".join(command.split()[:2]) for command in COMMANDS}
    named = _named((ROOT / document).read_text())
    assert {command for command in named if command not in nouns | COMMANDS} == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_option_of_a_document_exists(document: str) -> None:
    """That of the command it follows, or of any where it stands alone."""
    text = re.sub(r"(?m)^.*\buv .*--.*$", "", (ROOT / document).read_text())
    known = {name: {o for p in c.params for o in p.opts} for name, c in _leaves()}
    every = set().union(*known.values())
    assert set(re.findall(rf"(?<![\w-]){OPTION}", text)) - every - OF_OTHERS == set()
    for line in re.findall(r"(?:`|^)(opslore [^`#\n]*)", text, re.M):
        name = max((one for one in known if line.startswith(one)), key=len, default="")
        if name:
            assert set(re.findall(rf"(?<=[ \[]){OPTION}", line)) <= known[name], line


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_of_a_document_leads_somewhere(document: str) -> None:
    path = ROOT / document
    links = re.findall(r"\]\(([^)]+)\)", path.read_text())
    assert [one for one in links if "://" not in one and not _leads_somewhere(one, path)] == []


def _leads_somewhere(link: str, path: Path) -> bool:
    file, _, anchor = link.partition("#")
    target = path.parent / file if file else path
    if not target.exists() or not anchor:
        return target.exists()
    headings = re.findall(r"(?m)^#+ (.*)", target.read_text())
    return anchor in {re.sub(r"[^\w -]", "", one).lower().replace(" ", "-") for one in headings}


@pytest.mark.parametrize("field", Settings.model_fields.values(), ids=Settings.model_fields.keys())
def test_every_variable_is_documented(field: FieldInfo) -> None:
    _, meaning = ROWS[str(field.validation_alias)]
    described = str(field.description).partition(", as ")[0].rstrip(".")
    assert meaning.replace("`", "").startswith(described)


def test_there_is_no_other_variable() -> None:
    ours = {str(field.validation_alias) for field in Settings.model_fields.values()}
    assert {name for name in ROWS if name.startswith(("OPSLORE_", "PREFECT_"))} == ours


def test_every_documented_field_exists() -> None:
    fields = {path for path, _ in FIELDS}
    own = {str(field.validation_alias) for field in Settings.model_fields.values()}
    assert set(ROWS) - fields - own == {*BUILT_IN, *VERBS}


@pytest.mark.parametrize("documented", FIELDS, ids=lambda one: one.path)
def test_the_default_of_every_field_is_documented(documented: Documented) -> None:
    default, _, meaning = ROWS[documented.path]
    assert default.strip("`") == _default(documented.field)
    assert meaning.endswith((".", "…"))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    match field.get_default(call_default_factory=True):
        case bool(value):
            return str(value).lower()
        case timedelta() as value:
            return format_duration(value)
        case None | () | {}:
            return "none"
        case tuple(several):
            return ", ".join(map(str, several))
        case value:
            return str(value)


def _with_limits() -> Iterator[tuple[str, FieldInfo, str, str]]:
    for path, field in FIELDS:
        limits = re.fullmatch(r"(\S+|above \S+) to (\S+)", ROWS.get(path, ["", ""])[1])
        if limits:
            yield path, field, limits[1], limits[2]


LIMITED = list(_with_limits())


@pytest.mark.parametrize(("path", "field", "least", "most"), LIMITED)
def test_documented_limits_are_those_of_the_code(
    path: str, field: FieldInfo, least: str, most: str
) -> None:
    kind: Any = Annotated[field.annotation, *field.metadata]
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    if least.startswith("above "):
        assert not _takes(adapter, float(least.removeprefix("above ")))
    else:
        assert _takes(adapter, _value(least))
        assert not _takes(adapter, _value(least, off_by=-1))
    assert _takes(adapter, _value(most))
    assert not _takes(adapter, _value(most, off_by=1))


def _value(text: str, off_by: int = 0) -> Any:
    if text.isdigit():
        return int(text) + off_by
    duration = parse_duration(text)
    return duration + timedelta(milliseconds=off_by)


def _takes(adapter: "TypeAdapter[Any]", value: Any) -> bool:
    try:
        adapter.validate_python(value)
    except ValidationError:
        return False
    return True


def test_every_field_with_limits_shows_them() -> None:
    """What the code refuses at both ends has `A to B` in the document."""
    limited = {path for path, *_ in LIMITED}
    numbers = {
        path
        for path, field in FIELDS
        if any(hasattr(mark, "le") for mark in field.metadata) or field.annotation is timedelta
    }
    assert limited == numbers


def test_the_built_in_thresholds_are_documented() -> None:
    assert {metric: {"above": int(ROWS[metric][0])} for metric in BUILT_IN} == BUILT_IN


def test_the_verbs_are_documented() -> None:
    for name, verb in VERBS.items():
        risk, undo, parameters = ROWS[name]
        assert (risk, undo.strip("`") or None) == (verb.risk, verb.undo)
        assert set(re.findall(r"\{(\w+)\}", parameters)) == set(verb.parameters)


def test_the_example_of_a_projects_file_is_valid() -> None:
    examples = re.findall(r"```yaml\n(.*?)```", CONFIGURATION, re.S)
    whole = [text for text in examples if "projects:" in text]
    assert [len(read_projects_text(text, "configuration.md")) for text in whole] == [2]


@pytest.mark.parametrize("section", ["thresholds", "metrics", "headers", "actions", "maintenance"])
def test_the_examples_of_a_section_are_valid(section: str) -> None:
    (example,) = re.findall(rf"```yaml\n({section}:\n.*?)```", CONFIGURATION, re.S)
    indented = re.sub(r"(?m)^(?=.)", "    ", example)
    text = f"projects:\n  - name: a\n    url: http://a\n{indented}"
    (spec,) = read_projects_text(text, "configuration.md")
    assert getattr(spec, section) != getattr(ProjectSpec(name="a", url="http://a"), section)


@pytest.mark.parametrize("document", ["docs/notification.md", "docs/audit.md"])
def test_the_examples_of_a_hub_file_are_valid(document: str) -> None:
    examples = re.findall(r"```yaml\n(.*?)```", (ROOT / document).read_text(), re.S)
    assert examples
    for example in examples:
        parsed = parse_yaml(example, document)
        assert not parsed.faults
        assert examine(HubSettings, parsed.value, Origin(parsed))[1] == []


def _readme_examples(word: str) -> list[str]:
    """Return the YAML of the readme that has such a section, free of the list it stands in."""
    blocks = [textwrap.dedent(text) for text in re.findall(r"```yaml\n(.*?)```", README, re.S)]
    return [text for text in blocks if re.search(rf"(?m)^{word}:", text)]


def test_the_projects_of_the_readme_are_valid() -> None:
    names = [
        [spec.name for spec in read_projects_text(text, "README.md")]
        for text in _readme_examples("projects")
    ]
    assert names == [["chatbot", "newsletter"], ["chatbot"]]


def test_the_rule_of_the_readme_does_what_its_examples_say(tmp_path: Path) -> None:
    (text,) = _readme_examples("rules")
    (tmp_path / "own.yaml").write_text(text)
    engine = Engine(read_rules([tmp_path]))
    assert run_examples(engine) == []
    engine.close()
