"""What the README shows works."""

import re
import shlex
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from polyhead_dependency import DependencyExample, DependencyHead, DependencyPrediction

import polyhead as ph
from polyhead.testing import tiny_model

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
FILE = re.compile(r"^<!-- file: (\S+) -->\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def with_data(tmp_path, monkeypatch):
    """A folder with the page's files, and a tiny encoder in place of every other."""

    def tiny(cls, name, **options):
        return tiny_model()

    monkeypatch.setattr(ph.DistilBertModelWithHeads, "from_pretrained", classmethod(tiny))
    for name, content in FILE.findall(README):
        path = tmp_path / name
        path.parent.mkdir()
        for part in (path, path.with_stem("dev")):
            part.write_text(content, encoding="utf-8")
    monkeypatch.chdir(tmp_path)


def test_its_commands_run(with_data, monkeypatch, capsys):
    [command] = entry_points(group="console_scripts", name="polyhead")
    for line in blocks("sh")[0].splitlines():
        monkeypatch.setattr(sys, "argv", shlex.split(line))
        with pytest.raises(SystemExit) as ended:
            command.load()()
        assert ended.value.code in {0, None}, capsys.readouterr()
    assert "root(ROOT, " in capsys.readouterr().out


def test_its_python_block_runs(with_data, capsys):
    [block] = blocks("python")
    exec(compile(block, "README.md", "exec"), {})  # noqa: S102 - our own document
    assert "root(ROOT, " in capsys.readouterr().out


def test_its_answer_is_one():
    [answer] = [block for block in blocks("json") if "n_unread" in block]
    assert DependencyPrediction.model_validate_json(answer)


def test_it_names_all_that_is_read_answered_and_measured():
    named = set(re.findall(r"`(\w+)`", README)) | set(re.findall(r'"(\w+)":', README))
    assert named >= set(DependencyExample.model_fields)
    assert named >= set(DependencyPrediction.model_fields)
    assert named >= {"las", "uas"}


def test_its_string_for_the_head_of_adapterhub_is_understood():
    [text] = re.findall(r"^    dependency\[(.*)\]$", README, re.MULTILINE)
    options = dict(part.split("=") for part in text.split(","))
    config = DependencyHead.configure({"labels": ("root",), **options}, [])
    assert (config.hidden, config.pooling, config.decoding) == ("last", "mean", "greedy")
    assert (config.arc_width, config.relation_width, config.context) == (0, 0, 0)
