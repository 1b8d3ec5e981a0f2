"""The plugins of this repository: each from its wheel, by its own tests, through the door alone."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGINS = sorted(path.parent for path in (ROOT / "plugins").glob("*/pyproject.toml"))
DOORS = (
    "polyhead",
    "polyhead.adapters",
    "polyhead.heads",
    "polyhead.testing",
    "polyhead.train",
)
SOURCES = sorted(path for folder in PLUGINS for path in (folder / "src").rglob("*.py"))


def named(folder: Path) -> str:
    return folder.name


def imported(source: Path) -> Iterator[tuple[str, str | None]]:
    """Each module of polyhead that a file imports, and what from it."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found = [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found = [(node.module or "", alias.name) for alias in node.names]
        else:
            continue
        yield from (pair for pair in found if pair[0].partition(".")[0] == "polyhead")


def used(source: Path) -> Iterator[str]:
    """The attributes that a file takes from `polyhead` by `import polyhead as ph`."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    names = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name == "polyhead"
    }
    for node in ast.walk(tree):
        is_attribute = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        if is_attribute and node.value.id in names:
            yield node.attr


@pytest.mark.parametrize("folder", PLUGINS, ids=named)
def test_a_plugin_passes_its_tests_in_a_fresh_environment(folder, make_environment, wheels_of):
    environment = make_environment(*wheels_of(folder))
    summary = environment.pytest(folder).splitlines()[-1]
    assert " passed" in summary
    assert "failed" not in summary


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_plugin_imports_only_what_polyhead_exports(source):
    for module, name in imported(source):
        assert module in DOORS, f"{module} is no door of polyhead"
        if name is not None:
            assert name in importlib.import_module(module).__all__, f"{module} has no {name}"
    for name in used(source):
        assert name in importlib.import_module("polyhead").__all__, f"polyhead has no {name}"


def test_there_are_plugins():
    assert {folder.name for folder in PLUGINS} >= {
        "polyhead-crf",
        "polyhead-dependency",
        "polyhead-ladder",
    }
