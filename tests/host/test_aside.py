import sys
import threading

import pytest

from polyhead.host.aside import prints_aside


def test_what_is_printed_inside_goes_to_standard_error(capsys):
    with prints_aside():
        sys.stdout.write("inside\n")
        sys.stdout.writelines(["lines\n"])
        sys.stdout.flush()
    sys.stdout.write("outside\n")
    told = capsys.readouterr()
    assert told.out == "outside\n"
    assert told.err == "inside\nlines\n"


def test_other_threads_print_where_they_did(capsys):
    with prints_aside():
        other = threading.Thread(target=print, args=("other",))
        other.start()
        other.join()
    assert capsys.readouterr() == ("other\n", "")


def test_a_stream_that_was_kept_leads_back_afterwards(capsys):
    with prints_aside():
        kept = sys.stdout
    print("later", file=kept)
    assert capsys.readouterr().out == "later\n"


def test_everything_else_is_asked_of_the_stream_itself():
    own = sys.stdout
    with prints_aside():
        assert sys.stdout.encoding == own.encoding
        assert sys.stdout.isatty() == own.isatty()
    assert sys.stdout is own


def test_a_stream_that_a_plugin_puts_there_stays(capsys):
    own = sys.stdout
    try:
        with prints_aside():
            sys.stdout = mine = sys.stderr
        assert sys.stdout is mine
    finally:
        sys.stdout = own


def test_errors_leave_standard_output_as_it_was():
    own = sys.stdout
    with pytest.raises(ValueError, match="so"), prints_aside():
        raise ValueError("so")
    assert sys.stdout is own


def test_a_process_without_streams_loads_plugins_too(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with prints_aside():
        assert sys.stdout is None


def test_without_standard_error_nothing_is_lost(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", None)
    with prints_aside():
        sys.stdout.write("kept\n")
    assert capsys.readouterr().out == "kept\n"
