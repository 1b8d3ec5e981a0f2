"""The wheel holds what the tree holds, and the pins cover what is used."""

import re
import tomllib
from importlib.metadata import entry_points, version
from importlib.resources import files
from pathlib import Path

import pytest

import polyhead
from polyhead.cli import main

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS = PYPROJECT["tool"]["setuptools"]


def packages_in_the_tree() -> set[str]:
    found = set()
    for package, folder in SETUPTOOLS["package-dir"].items():
        for init in (ROOT / folder).rglob("__init__.py"):
            parts = init.parent.relative_to(ROOT / folder).parts
            found.add(".".join([package, *parts]))
    return found


def requirement_names(requirements: list[str]) -> set[str]:
    names = (re.match(r"[A-Za-z0-9._-]+", line) for line in requirements)
    return {match[0].lower().replace("_", "-") for match in names if match}


def test_package_list_equals_the_tree():
    assert set(SETUPTOOLS["packages"]) == packages_in_the_tree()


def test_every_folder_with_code_is_a_package():
    for folder in SETUPTOOLS["package-dir"].values():
        for path in (ROOT / folder).rglob("*.py"):
            assert (path.parent / "__init__.py").is_file(), f"{path} is outside any package"


def test_top_level_folders_are_mapped():
    unmapped = {"tests", "benchmarks", "plugins", "docs"}
    for init in ROOT.glob("*/__init__.py"):
        folder = init.parent.name
        assert folder in SETUPTOOLS["package-dir"].values() or folder in unmapped


def test_package_data_is_there():
    assert files("polyhead").joinpath("py.typed").is_file()
    for package, patterns in SETUPTOOLS["package-data"].items():
        folder = ROOT / SETUPTOOLS["package-dir"][package]
        for pattern in patterns:
            assert list(folder.glob(pattern)), f"{package} has no {pattern}"


def test_version_is_that_of_the_project_file():
    assert polyhead.__version__ == version("polyhead") == PYPROJECT["project"]["version"]


def test_changelog_has_the_version():
    assert f"## {PYPROJECT['project']['version']}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_command_leads_to_the_command_line():
    [command] = [
        found for found in entry_points(group="console_scripts") if found.name == "polyhead"
    ]
    assert command.load() is main


def test_constraints_pin_every_direct_dependency():
    extras = PYPROJECT["project"]["optional-dependencies"].values()
    wanted = requirement_names(
        [*PYPROJECT["project"]["dependencies"], *(line for extra in extras for line in extra)]
    )
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all("==" in pin for pin in pins)
    assert wanted - {"polyhead"} <= requirement_names(pins)


def test_tool_versions_agree_between_project_file_and_constraints():
    pins = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line
    )
    for extra in PYPROJECT["project"]["optional-dependencies"].values():
        for requirement in extra:
            name, exact, wanted = requirement.partition("==")
            if exact:
                assert pins[name] == wanted


@pytest.mark.parametrize("text", ["Apache License", "Version 2.0, January 2004", "END OF TERMS"])
def test_licence_is_apache_2(text):
    assert text in (ROOT / "LICENSE").read_text(encoding="utf-8")
