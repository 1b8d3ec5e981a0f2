"""The program as a process, and its help."""

import json
import os
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from polyhead.artifact import read_task
from polyhead.cli.app import app

COMMANDS = [info.callback.__name__ for info in app.registered_commands]
PROGRAM = [sys.executable, "-m", "polyhead"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120"}


def process(*words, **options):
    arguments = [*PROGRAM, *(str(word) for word in words)]
    return subprocess.run(
        arguments, capture_output=True, text=True, check=False, env=ENVIRONMENT, **options
    )


def test_all_commands_are_there():
    assert sorted(COMMANDS) == [
        *("adapters", "bench", "convert", "evaluate", "heads", "inspect", "plugins"),
        *("predict", "pull", "push", "quickstart", "run", "serve", "tasks", "train"),
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_json(command, run):
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "--json" in result.stdout


def test_help_shows_config_strings_whole():
    told = process("train", "--help")
    assert "classification[layers=1]" in told.stdout
    assert "seq_bn[reduction_factor=8]" in told.stdout


def test_no_command_shows_the_help(run):
    assert "quickstart" in run().output


def test_an_unknown_command_is_exit_code_2(run):
    result = run("trian")
    assert result.exit_code == 2
    assert "No such command" in result.stderr


def test_a_missing_option_is_exit_code_2(run):
    result = run("train", "--task", "mood")
    assert result.exit_code == 2
    assert "Missing option" in result.stderr


def test_version_is_told_by_the_process():
    told = process("--version")
    assert (told.returncode, told.stdout) == (0, f"polyhead {version('polyhead')}\n")


def test_answers_of_a_fresh_process_are_those_of_this_one(run, saved_tasks):
    words = ("predict", "--task", saved_tasks / "mood", "the cat is good", "--json")
    told = process(*words)
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout) == json.loads(run(*words).stdout)


def test_a_failure_of_the_process_is_one_line(tmp_path):
    told = process("tasks", tmp_path / "missing")
    assert told.returncode == 2
    assert told.stdout == ""
    assert told.stderr == f"Error: {tmp_path / 'missing'} is not a folder.\n"


def test_a_reader_that_goes_away_ends_it_silently(saved_tasks):
    words = ["predict", "--task", saved_tasks / "mood", "the cat is good", "--json"]
    started = subprocess.Popen(
        [*PROGRAM, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
    )
    assert started.stdout is not None
    started.stdout.close()
    assert started.stderr is not None
    with started.stderr:
        assert started.stderr.read() == b""
    assert started.wait() == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("command", [["heads"], ["heads", "--json"]])
def test_a_full_standard_output_is_a_sentence(command):
    with Path("/dev/full").open("w") as full:
        told = subprocess.run(
            [*PROGRAM, *command],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=ENVIRONMENT,
        )
    assert told.returncode == 2
    assert told.stderr.splitlines()[-1] == "Error: no space left on device."
    assert "Traceback" not in told.stderr


@pytest.fixture
def heeded_interrupts():
    """A shell's background job ignores Ctrl-C, and so would what it starts: not so from here."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(os.name == "nt", reason="signals differ there")
def test_ctrl_c_keeps_the_best_and_exits_with_130(heeded_interrupts, train_words, tmp_path):
    words = [*PROGRAM, *map(str, train_words), "--epochs", "1000"]
    started = subprocess.Popen(
        words,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    assert started.stderr is not None
    with started.stderr:
        for line in started.stderr:
            if "epoch 2/" in line:
                started.send_signal(signal.SIGINT)
                break
        rest = started.stderr.read()
    assert started.wait() == 130
    assert "is kept" in rest
    assert "Traceback" not in rest
    assert read_task(tmp_path / "tasks" / "mood").manifest.training["interrupted"] is True
