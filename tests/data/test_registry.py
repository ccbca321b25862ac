"""The registry has two doors: a file and the command line; each project has one owner."""

import pytest

from config.projects_file import ProjectSpec
from data import projects
from data.database import Database
from data.projects import ProjectOwnedByFile, ProjectTaken, ProjectUnknown


def _spec(name: str, port: int = 1) -> ProjectSpec:
    return ProjectSpec(name=name, url=f"http://127.0.0.1:{port}")


async def test_a_file_adds_changes_and_removes(database: Database) -> None:
    first = await projects.sync_file(database, "default", [_spec("a"), _spec("b")])
    assert first.added == ("a", "b")
    second = await projects.sync_file(database, "default", [_spec("a", 2), _spec("c")])
    assert (second.added, second.changed, second.removed) == (("c",), ("a",), ("b",))
    assert [project.name for project in await projects.list_all(database)] == ["a", "c"]


async def test_reading_the_same_file_again_changes_nothing(database: Database) -> None:
    await projects.sync_file(database, "default", [_spec("a")])
    assert not await projects.sync_file(database, "default", [_spec("a")])


async def test_a_removed_project_can_come_back(database: Database) -> None:
    await projects.sync_file(database, "default", [_spec("a")])
    await projects.sync_file(database, "default", [])
    assert (await projects.sync_file(database, "default", [_spec("a")])).changed == ("a",)
    assert (await projects.find(database, "a")).source == "file:default"


async def test_a_name_the_database_owns_is_refused_to_a_file(database: Database) -> None:
    await projects.add(database, _spec("a", 7))
    change = await projects.sync_file(database, "default", [_spec("a", 8), _spec("b")])
    assert (change.refused, change.added) == (("a",), ("b",))
    assert (await projects.find(database, "a")).spec.url == "http://127.0.0.1:7"


async def test_files_of_two_registries_leave_each_other_alone(database: Database) -> None:
    await projects.sync_file(database, "north", [_spec("a")])
    await projects.sync_file(database, "south", [_spec("b")])
    assert [project.name for project in await projects.list_all(database)] == ["a", "b"]


async def test_a_taken_name_cannot_be_added(database: Database) -> None:
    await projects.add(database, _spec("a"))
    with pytest.raises(ProjectTaken, match="project a is registered already"):
        await projects.add(database, _spec("a"))


async def test_a_project_of_a_file_is_not_removed_in_the_database(database: Database) -> None:
    await projects.sync_file(database, "default", [_spec("a")])
    with pytest.raises(ProjectOwnedByFile, match="opslore projects pause a"):
        await projects.remove(database, "a")


async def test_an_unknown_project_is_named(database: Database) -> None:
    with pytest.raises(ProjectUnknown, match="no project is named ghost"):
        await projects.set_paused(database, "ghost", paused=True)


async def test_secrets_stay_templates_in_the_database(database: Database) -> None:
    spec = ProjectSpec(name="a", url="http://127.0.0.1:1", headers={"Authorization": "${TOKEN}"})
    await projects.add(database, spec)
    assert (await projects.find(database, "a")).spec.headers == {"Authorization": "${TOKEN}"}


async def test_dependencies_reach_through_others(database: Database) -> None:
    specs = [
        ProjectSpec(name="web", url="http://127.0.0.1:1", depends_on=("api",)),
        ProjectSpec(name="api", url="http://127.0.0.1:2", depends_on=("database",)),
        ProjectSpec(name="database", url="http://127.0.0.1:3"),
    ]
    await projects.sync_file(database, "default", specs)
    assert await projects.dependencies(database) == {
        "web": ("api", "database"),
        "api": ("database",),
    }
