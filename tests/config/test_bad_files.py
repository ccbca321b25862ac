"""Every fault a file can have is told in one sentence: see the first line of each bad file."""

from collections.abc import Callable
from pathlib import Path

import pytest

from config.errors import ConfigError
from config.hub_file import read_hub
from config.projects_file import read_projects

BAD = Path(__file__).parents[1] / "bad"


def _messages(read: Callable[[Path], object], path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(path)
    return str(caught.value).splitlines()


def _expected(path: Path) -> list[str]:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    return [f"{path}:{first.removeprefix('# expect: ')}"]


@pytest.mark.parametrize("path", sorted(BAD.glob("projects/*.yaml")), ids=lambda path: path.stem)
def test_a_bad_projects_file_is_refused_with_its_line_and_reason(path: Path) -> None:
    assert _messages(read_projects, path) == _expected(path)


@pytest.mark.parametrize("path", sorted(BAD.glob("hub/*.yaml")), ids=lambda path: path.stem)
def test_a_bad_hub_file_is_refused_with_its_line_and_reason(path: Path) -> None:
    assert _messages(read_hub, path) == _expected(path)


def test_no_message_repeats_a_secret() -> None:
    for path in BAD.glob("projects/*.yaml"):
        told = "\n".join(_messages(read_projects, path))
        for secret in ("hunter2", "pa$word", "12345", "0123"):
            assert secret not in told, path


def test_all_faults_of_a_file_are_reported_at_once_by_line(tmp_path: Path) -> None:
    path = tmp_path / "projects.yaml"
    path.write_text(
        "defaults: {autonomy: maybe}\n"
        "projects:\n"
        "  - name: chatbot\n"
        "    url: ftp://chatbot\n"
        "    timeouts: {health: 0s, helth: 1s}\n"
        "    depends_on: [mailer]\n"
        "    trend: {min_samples: 010}\n"
        "  - nonsense\n"
        "  - name: chatbot\n",
        encoding="utf-8",
    )
    faults = [
        line.removeprefix(f"{path}:").split(": ")[:2] for line in _messages(read_projects, path)
    ]
    assert faults == [
        ["1", "defaults.autonomy"],
        ["4", "projects.chatbot.url"],
        ["5", "projects.chatbot.timeouts.health"],
        ["5", "projects.chatbot.timeouts.helth"],
        ["6", "projects.chatbot.depends_on[0]"],
        ["7", "projects.chatbot.trend.min_samples"],
        ["8", "projects[1]"],
        ["9", "projects.chatbot.url"],
        ["9", "projects.chatbot.name"],
    ]
