"""`polyhead plugin new`."""

import json
from pathlib import Path

import pytest


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("kind", ["head", "adapter"])
def test_a_plugin_is_written_and_what_to_do_next_is_three_commands(kind, here, run):
    result = run("plugin", "new", "My.Own", "--kind", kind)
    assert result.exit_code == 0, result.output
    assert (here / "my-own" / "src" / "my_own" / f"{kind}.py").is_file()
    said, *next_lines = result.stdout.splitlines()
    assert f"{kind} kind 'my_own'" in said
    assert next_lines == [
        "What to type next:",
        "  cd my-own",
        "  python -m pip install -e '.[test]'",
        "  python -m pytest",
    ]
    assert f"src/my_own/{kind}.py" in result.stderr


def test_a_head_is_the_default_and_the_folder_can_be_chosen(here, run):
    result = run("plugin", "new", "my-head", "--output", "a folder", "--json")
    told = json.loads(result.stdout)
    assert told["folder"] == "a folder"
    assert told["distribution"] == "my-head"
    assert told["package"] == told["head"] == "my_head"
    for file in told["files"]:
        assert (here / "a folder" / file).is_file()


def test_an_odd_folder_is_quoted_for_the_shell(here, run):
    assert "  cd 'a folder'" in run("plugin", "new", "my-head", "--output", "a folder").stdout


def test_this_folder_is_filled_where_it_is_empty(here, run):
    assert run("plugin", "new", "my-head", "--output", ".").exit_code == 0
    assert (here / "pyproject.toml").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["my head"], "'my head' cannot name a plugin"),
        (["class"], "keyword of Python"),
        (["json"], "module of Python itself"),
        (["torch"], "the distribution torch"),
        (["classification"], "the head kind 'classification' is that of polyhead"),
        (["seq-bn", "--kind", "adapter"], "adapter preset"),
        (["my-head", "--output", "full"], "full exists and is not an empty folder"),
        (["my-head", "--output", "full/notes.txt"], "is not an empty folder"),
        (["my-head", "--output", "full/notes.txt/x"], "could not be written"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_leaves_nothing(words, message, here, refused):
    (here / "full").mkdir()
    (here / "full" / "notes.txt").write_text("mine", encoding="utf-8")
    assert message in refused("plugin", "new", *words)
    assert sorted(path.name for path in here.rglob("*")) == ["full", "notes.txt"]


def test_another_sort_is_refused_with_those_there_are(here, run):
    result = run("plugin", "new", "my-head", "--kind", "backbone")
    assert result.exit_code == 2
    assert "adapter" in result.stderr


@pytest.mark.parametrize("words", [[], ["new"]])
def test_help_says_what_is_written(words, run):
    text = " ".join(run("plugin", *words, "--help").stdout.split())
    assert "distribution" in text
