"""What a failed command says."""

import errno
import os

import pytest
import typer

from polyhead.cli.failures import reported
from polyhead.errors import ConfigError, WriteError


def raising(error):
    def command() -> None:
        raise error

    return reported(command)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ConfigError("a first line\nand a second."), "Error: a first line and a second.\n"),
        (WriteError("tasks/a could not be written."), "Error: tasks/a could not be written.\n"),
        (
            PermissionError(errno.EACCES, os.strerror(errno.EACCES), "data.jsonl"),
            "Error: data.jsonl: permission denied.\n",
        ),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "Error: no space left on device.\n"),
    ],
)
def test_what_users_can_cause_is_one_line_and_exit_code_2(error, sentence, capsys):
    with pytest.raises(typer.Exit) as caught:
        raising(error)()
    assert caught.value.exit_code == 2
    assert capsys.readouterr().err == sentence


def test_ctrl_c_is_exit_code_130(capsys):
    with pytest.raises(typer.Exit) as caught:
        raising(KeyboardInterrupt())()
    assert caught.value.exit_code == 130
    assert capsys.readouterr().err == "Interrupted.\n"


def test_a_broken_pipe_is_silent(capsys):
    with pytest.raises(typer.Exit) as caught:
        raising(BrokenPipeError())()
    assert caught.value.exit_code == 141
    assert capsys.readouterr() == ("", "")


def test_a_defect_of_ours_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        raising(ZeroDivisionError())()


@pytest.mark.parametrize(("value", "is_shown"), [("1", True), ("0", False), ("", False)])
def test_debugging_lets_the_error_up(value, is_shown, monkeypatch):
    monkeypatch.setenv("POLYHEAD_DEBUG", value)
    with pytest.raises(ConfigError if is_shown else typer.Exit):
        raising(ConfigError("wrong."))()


def test_a_command_that_works_returns():
    done = []
    reported(lambda: done.append(1))()
    assert done == [1]
