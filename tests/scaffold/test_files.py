"""The files of a new plugin."""

import ast
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from polyhead.errors import OutputExistsError, WriteError
from polyhead.hookspecs import API_VERSION
from polyhead.scaffold import PLUGIN_SORTS, PluginNames, plugin_files, write_plugin

LONG = "sentence-difficulty"
COMMON = {
    ".github/workflows/test.yml",
    ".gitignore",
    "README.md",
    "pyproject.toml",
    "src/my_own/__init__.py",
    "src/my_own/plugin.py",
    "src/my_own/py.typed",
}


def told_by(tool: str, *words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    found = shutil.which(tool, path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip(f"{tool} is not installed here")
    return subprocess.run([found, *words], cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(params=[(name, sort) for sort in PLUGIN_SORTS for name in ("my-own", LONG)])
def written(request, tmp_path) -> Path:
    folder = tmp_path / "plugin"
    write_plugin(folder, plugin_files(PluginNames.of(*request.param)))
    return folder


@pytest.mark.parametrize("sort", PLUGIN_SORTS)
def test_a_plugin_is_complete(sort):
    files = plugin_files(PluginNames.of("my-own", sort))
    assert set(files) == COMMON | {f"src/my_own/{sort}.py", f"tests/test_{sort}.py"}
    project = tomllib.loads(files["pyproject.toml"])
    assert project["project"]["name"] == "my-own"
    assert project["project"]["entry-points"]["polyhead"] == {"my_own": "my_own.plugin"}
    assert project["project"]["dependencies"] == ["polyhead>=0.1"]
    assert "license" not in project["project"]
    assert "Choose a licence" in files["README.md"]
    [api] = re.findall(r"^POLYHEAD_API = (\d+)$", files["src/my_own/plugin.py"], re.MULTILINE)
    assert 1 <= int(api) <= API_VERSION
    assert "${{ matrix.python-version }}" in files[".github/workflows/test.yml"]


@pytest.mark.parametrize("sort", PLUGIN_SORTS)
def test_no_place_is_left_unfilled(sort):
    for path, text in plugin_files(PluginNames.of("my-own", sort)).items():
        assert not re.search(r"\$\{?[a-z]", text.replace("${{", "")), path


@pytest.mark.parametrize("sort", PLUGIN_SORTS)
def test_a_plugin_imports_polyhead_by_its_door(sort):
    files = plugin_files(PluginNames.of("my-own", sort))
    for path, text in files.items():
        if path.endswith(".py"):
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Import):
                    assert all(not alias.name.startswith("polyhead.") for alias in node.names)
                if isinstance(node, ast.ImportFrom) and node.module.startswith("polyhead"):
                    assert node.module == "polyhead.testing"


@pytest.mark.parametrize("words", [["check"], ["format", "--check"]], ids=" ".join)
def test_a_plugin_is_clean_for_its_own_linter(words, written):
    done = told_by("ruff", *words, "--no-cache", folder=written)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("sort", PLUGIN_SORTS)
def test_the_longest_name_leads_to_no_mistake(sort, tmp_path):
    write_plugin(tmp_path, plugin_files(PluginNames.of("a-long-name" + 53 * "s", sort)))
    done = told_by("ruff", "check", "--no-cache", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_a_plugin_is_clean_for_its_own_type_checker(written):
    done = told_by("mypy", folder=written)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_empty_folder_is_filled_and_stays_the_same_folder(tmp_path):
    before = tmp_path.stat().st_ino
    write_plugin(tmp_path, {"a/b.txt": "one", "c.txt": "two"})
    assert tmp_path.stat().st_ino == before
    files = {str(path.relative_to(tmp_path)): path for path in tmp_path.rglob("*")}
    assert set(files) == {"a", "a/b.txt", "c.txt"}
    assert files["a/b.txt"].read_text("utf-8") == "one"


@pytest.mark.parametrize("is_folder", [True, False])
def test_what_holds_something_is_refused_and_kept(is_folder, tmp_path):
    place = tmp_path / "place"
    kept = place / "notes.txt" if is_folder else place
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("mine", encoding="utf-8")
    with pytest.raises(OutputExistsError, match="is not an empty folder; choose another --output"):
        write_plugin(place, {"a.txt": "one"})
    assert kept.read_text("utf-8") == "mine"
    assert len(list(tmp_path.rglob("*"))) == 1 + is_folder


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(WriteError):
        write_plugin(tmp_path / "file" / "plugin", {"a.txt": "one"})
    assert (tmp_path / "file").is_file()


def test_the_example_of_the_readme_is_one_of_the_head():
    readme = plugin_files(PluginNames.of("my-own", "head"))["README.md"]
    [line] = re.findall(r"^```json\n(.*)\n```", readme, re.MULTILINE)
    assert json.loads(line) == {"text": "It broke on the first day.", "rating": 1}
