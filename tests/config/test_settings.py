import os
from pathlib import Path

import pytest

from config.errors import ConfigError
from config.settings import ROOT, Settings


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in list(os.environ):
        if variable.startswith(("OPSLORE_", "PREFECT_")):
            monkeypatch.delenv(variable)


def test_without_variables_everything_is_in_the_repository() -> None:
    settings = Settings()
    assert settings.home == ROOT / ".opslore"
    assert settings.projects_file == ROOT / "config" / "projects.yaml"
    assert settings.hub_file == ROOT / "config" / "hub.yaml"
    assert (settings.database_url, settings.prefect_api_url) == (None, None)
    assert settings.log_level == "INFO"


def test_the_repository_is_where_this_code_is() -> None:
    assert (ROOT / "config" / "settings.py").is_file()


def test_variables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSLORE_DATABASE_URL", "postgresql://db/opslore")
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:4200/api/")
    monkeypatch.setenv("OPSLORE_LOG_LEVEL", "debug")
    settings = Settings()
    assert settings.database_url == "postgresql://db/opslore"
    assert settings.prefect_api_url == "http://127.0.0.1:4200/api"
    assert settings.log_level == "DEBUG"


@pytest.mark.parametrize(
    ("variable", "field"),
    [("OPSLORE_HOME", "home"), ("OPSLORE_PROJECTS", "projects_file"), ("OPSLORE_HUB", "hub_file")],
)
def test_a_relative_path_is_made_absolute(
    variable: str, field: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(variable, "here/it")
    assert getattr(Settings(), field) == tmp_path / "here" / "it"


def test_a_tilde_is_the_home_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSLORE_HOME", "~/opslore")
    assert Settings().home == Path.home() / "opslore"


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields.values():
        monkeypatch.setenv(str(field.validation_alias), "")
    assert Settings().home == ROOT / ".opslore"
    assert Settings().database_url is None


def test_a_variable_that_only_looks_alike_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/elsewhere")
    monkeypatch.setenv("home", "/elsewhere")
    assert Settings().home == ROOT / ".opslore"


def test_every_bad_variable_is_named_without_repeating_a_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPSLORE_DATABASE_URL", "mysql://ann:hunter2@db")
    monkeypatch.setenv("OPSLORE_LOG_LEVEL", "loud")
    monkeypatch.setenv("PREFECT_API_URL", "127.0.0.1:4200")
    monkeypatch.setenv("OPSLORE_HOME", "~nobody-of-that-name/x")
    with pytest.raises(ConfigError) as caught:
        Settings()
    assert str(caught.value).splitlines() == [
        "environment: OPSLORE_HOME: must not begin with the home of an unknown user,"
        " got ~nobody-of-that-name/x",
        "environment: OPSLORE_DATABASE_URL: must begin with postgresql://",
        "environment: PREFECT_API_URL: must begin with http:// or https://",
        'environment: OPSLORE_LOG_LEVEL: must be one of DEBUG, INFO, WARNING, ERROR, got "LOUD"',
    ]


def test_the_password_of_the_database_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSLORE_DATABASE_URL", "postgresql://ann:hunter2@db/opslore")
    assert "hunter2" not in repr(Settings())


def test_every_variable_says_what_it_is_for() -> None:
    for field in Settings.model_fields.values():
        assert isinstance(field.validation_alias, str)
        assert field.description
        assert field.description.endswith(".")
