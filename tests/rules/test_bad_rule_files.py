"""Every fault a rule file can have is told in one sentence: see the first line of each bad file."""

from pathlib import Path

import pytest

from config.errors import ConfigError
from rules.language.reading import read_rules, read_rules_text

BAD = Path(__file__).parents[1] / "bad" / "rules"
RULE = (
    "  - name: {name}\n"
    "    when: {{kind: memory}}\n"
    "    then: {{action: clear_cache}}\n"
    "    examples: [{{given: {{kind: memory}}, expect: match}}]\n"
)


def _messages(folders: list[Path]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read_rules(folders)
    return str(caught.value).splitlines()


@pytest.mark.parametrize("path", sorted(BAD.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_bad_rule_file_is_refused_with_its_line_and_reason(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_rules_text(text, str(path))
    expected = text.splitlines()[0].removeprefix("# expect: ")
    assert str(caught.value).splitlines() == [f"{path}:{expected}"]


def test_all_faults_of_all_files_are_reported_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "rules:\n"
        "  - name: leak\n"
        "    when: {kind: memory, valu: 5}\n"
        "    any: [{tags: {gt: 5}}]\n"
        "    with: [{fact: deploy, same: [title], within: 0s}]\n"
        "    then: {action: restrat}\n"
        "    examples: [{given: {}, expect: mach}]\n",
        encoding="utf-8",
    )
    (tmp_path / "b.yaml").write_text("rules: 5\n", encoding="utf-8")
    (tmp_path / "c.yml").write_text("rules: [", encoding="utf-8")
    faults = [line.removeprefix(f"{tmp_path}/").split(": ")[:2] for line in _messages([tmp_path])]
    assert faults == [
        ["a.yaml:3", "rules.leak.when.valu"],
        ["a.yaml:4", "rules.leak.any[0].tags.gt"],
        ["a.yaml:5", "rules.leak.with[0].same[0]"],
        ["a.yaml:5", "rules.leak.with[0].within"],
        ["a.yaml:6", "rules.leak.then.action"],
        ["a.yaml:7", "rules.leak.examples[0].expect"],
        ["b.yaml:1", "rules"],
        ["c.yml:1", "yaml"],
    ]


def test_a_name_is_taken_by_a_rule_of_another_file(tmp_path: Path) -> None:
    for file in ("a.yaml", "b.yaml"):
        (tmp_path / file).write_text("rules:\n" + RULE.format(name="leak"), encoding="utf-8")
    assert _messages([tmp_path]) == [
        f"{tmp_path}/b.yaml:2: rules.leak.name: is taken by the rule in {tmp_path}/a.yaml:2"
    ]


def test_a_folder_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    missing = tmp_path / "rules"
    assert _messages([tmp_path, missing]) == [f"{missing}: folder: does not exist"]


def test_a_file_has_at_most_200_rules() -> None:
    text = "rules:\n" + "".join(RULE.format(name=f"r{number}") for number in range(201))
    with pytest.raises(ConfigError, match="rules: must be at most 200 in a file, got 201"):
        read_rules_text(text, "rules.yaml")


def test_there_are_at_most_1000_rules(tmp_path: Path) -> None:
    for file in range(6):
        numbers = range(file * 180, file * 180 + 180)
        text = "rules:\n" + "".join(RULE.format(name=f"r{number}") for number in numbers)
        (tmp_path / f"{file}.yaml").write_text(text, encoding="utf-8")
    assert [message.split(": ", 1)[1] for message in _messages([tmp_path])] == [
        "rules: must be at most 1,000 in all files, got 1,080"
    ]
