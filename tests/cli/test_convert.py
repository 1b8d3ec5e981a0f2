"""`polyhead convert`."""

import json
import sys
from pathlib import Path

import pytest

from polyhead.cli import main
from polyhead.model import DistilBertModelWithHeads

HUB = Path(__file__).parents[1] / "fixtures" / "adapterhub"
BACKBONE = ["--backbone", str(HUB / "backbone")]


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs the command; its exit code, its standard output and its standard error."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["polyhead", "convert", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        out, err = capsys.readouterr()
        return stopped.value.code or 0, out, err

    return call


def test_a_foreign_folder_becomes_a_task(run, tmp_path):
    code, out, err = run(HUB / "seq_bn", tmp_path / "out", *BACKBONE)
    assert code == 0
    assert out == f"{tmp_path / 'out'}\n"
    assert "adapter 'a': adapterhub -> polyhead" in err
    model = DistilBertModelWithHeads.from_pretrained(HUB / "backbone")
    assert model.load_task(tmp_path / "out") == "a"


def test_the_result_as_json(run, tmp_path):
    code, out, err = run(
        HUB / "lora" / "bin", tmp_path / "out", *BACKBONE, "--name", "mine", "--json"
    )
    told = json.loads(out)
    assert (code, err) == (0, "")
    assert told["from"] == "adapterhub"
    assert told["to"] == "polyhead"
    assert told["adapters"] == told["heads"] == ["mine"]
    assert "task.json" in told["files"]


def test_there_and_back(run, tmp_path):
    run(HUB / "seq_bn", tmp_path / "ours", *BACKBONE)
    code, _, _ = run(
        tmp_path / "ours", tmp_path / "theirs", "--to", "adapterhub", "--weights", "safetensors"
    )
    assert code == 0
    assert (tmp_path / "theirs" / "adapter.safetensors").is_file()
    assert (tmp_path / "theirs" / "head_config.json").is_file()


def test_remarks_are_printed(run, tmp_path):
    _, _, err = run(HUB / "direft" / "bin", tmp_path / "out", *BACKBONE)
    assert "does not tell NoReFT from DiReFT" in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([HUB / "nowhere", "OUT", *BACKBONE], "is not a folder"),
        ([HUB / "seq_bn", "OUT"], "--backbone"),
        ([HUB / "seq_bn", "OUT", *BACKBONE, "--name", "../x"], "cannot name"),
        ([HUB / "dora" / "bin", "OUT", *BACKBONE], "DoRA"),
        ([HUB / "seq_bn", "OUT", *BACKBONE, "--from", "peft"], "peft"),
        ([HUB / "seq_bn", "OUT", *BACKBONE, "--to", "peft"], "bottleneck"),
    ],
)
def test_what_cannot_be_done_is_one_line(arguments, told, run, tmp_path):
    code, out, err = run(*[tmp_path / "out" if each == "OUT" else each for each in arguments])
    assert code != 0
    assert out == ""
    assert told.lower() in err.lower()
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_unknown_format_is_told(run, tmp_path):
    code, _, err = run(HUB / "seq_bn", tmp_path / "out", *BACKBONE, "--to", "onnx")
    assert code != 0
    assert "adapterhub" in err
