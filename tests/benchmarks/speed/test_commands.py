"""The commands answer bad input with a sentence, and without a GPU they say so."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.speed import options

FOLDER = Path(__file__).parents[3] / "benchmarks" / "speed"


def run(name, *arguments, cwd):
    return subprocess.run(
        [sys.executable, "-P", str(FOLDER / f"{name}.py"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
    )


def refused(capsys, *arguments):
    """What is said of a command line that is not accepted."""
    parser = options.parser_of("What it measures.", rounds=5, texts=256)
    with pytest.raises(SystemExit) as stop:
        options.checked_peers(parser, parser.parse_args(arguments))
    assert stop.value.code == 2
    return capsys.readouterr().err


def test_a_peer_python_that_is_not_there_is_one_sentence(capsys):
    assert "is no Python that runs" in refused(capsys, "--peer-python", "/no/such/python")


def test_a_peer_environment_without_the_peers_is_one_sentence(capsys):
    told = refused(capsys, "--peer-python", sys.executable)
    assert "has no adapters, " in told
    assert "peers-requirements.txt" in told


@pytest.mark.parametrize("option", ["--rounds", "--texts", "--threads"])
def test_none_at_all_are_refused(option, capsys):
    assert "0 is too few" in refused(capsys, "--peer-python", sys.executable, option, "0")


def test_a_side_that_does_not_exist_is_refused(capsys):
    told = refused(capsys, "--peer-python", sys.executable, "--sides", "tensorflow")
    assert "invalid choice: 'tensorflow'" in told


def test_the_command_is_kept_without_the_folders_of_the_machine():
    parser = options.parser_of("What it measures.", rounds=5, sides=("polyhead", "peft"))
    given = parser.parse_args(["--peer-python", "/home/me/peers/bin/python", "--threads", "2"])
    assert options.command_of("latency", given, ["--calls 3"]) == (
        "python benchmarks/speed/latency.py --peer-python PEER_PYTHON --rounds 5 --threads 2 "
        "--calls 3 --sides polyhead peft"
    )


def test_data_that_are_not_there_are_one_sentence(tmp_path):
    done = run("int8_quality", "--data-root", str(tmp_path), cwd=tmp_path)
    assert done.returncode == 2
    assert f"{tmp_path / 'sst2'} does not exist" in done.stderr


def test_without_a_gpu_that_is_said_and_no_error(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("a GPU is at hand")
    done = run("gpu", cwd=tmp_path)
    assert done.returncode == 0
    assert "No GPU was at hand" in done.stdout
