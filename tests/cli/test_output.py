"""What commands print."""

import io
import shlex
import sys

import pytest

from polyhead.cli.output import command_line, file_sizes, print_table, readable_size


@pytest.mark.parametrize(
    ("n_bytes", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (455_040, "455.0 kB"),
        (90_868_370, "90.9 MB"),
        (5_000_000_000_000, "5000.0 GB"),
    ],
)
def test_sizes_are_readable(n_bytes, shown):
    assert readable_size(n_bytes) == shown


def test_tables_show_texts_as_they_are(capsys):
    print_table(["a"], [["[bold]not bold[/bold] :smile: [/]"]])
    assert "[bold]not bold[/bold] :smile: [/]" in capsys.readouterr().out


def test_tables_fit_a_narrow_stream(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr("sys.stdout", stream)
    monkeypatch.setenv("COLUMNS", "40")
    print_table(["text", "label"], [["a text of many words " * 5, "positive"]])
    assert max(map(len, stream.getvalue().splitlines())) <= 40
    assert "positive" in stream.getvalue()


def test_commands_are_quoted_for_the_shell(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.argv", ["polyhead"])
    words = ("predict", "--task", tmp_path / "a b", "it's")
    assert shlex.split(command_line(*words))[1:] == [str(word) for word in words]


def test_commands_start_as_this_one_was_started(monkeypatch, tmp_path):
    program = tmp_path / "polyhead"
    program.write_text("#!/bin/sh\n", "utf-8")
    program.chmod(0o755)
    monkeypatch.setattr("sys.argv", [str(program)])
    monkeypatch.setenv("PATH", "/nowhere")
    assert command_line("tasks") == f"{program} tasks"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert command_line("tasks") == "polyhead tasks"
    monkeypatch.setattr("sys.argv", ["/somewhere/polyhead/__main__.py"])
    assert command_line("tasks") == shlex.join([sys.executable, "-m", "polyhead", "tasks"])


def test_file_sizes_leave_folders_out(tmp_path):
    (tmp_path / "a").write_bytes(b"123")
    (tmp_path / "b").mkdir()
    assert file_sizes(tmp_path) == {"a": 3}
