"""Writes happen as a whole or not at all, and never over something that is not ours."""

import errno
import itertools
import os
import tempfile
import threading
from pathlib import Path

import pytest

from polyhead.artifact import check_free, write_file, write_folder
from polyhead.errors import OutputExistsError, WriteError

OLD = {"task.json": b"old", "head.bin": b"old head"}
NEW = {"task.json": b"new", "head.bin": b"new head" * 1000}


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything below `folder`, hidden or not."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def failing(function, at, error):
    """`function`, which fails at one of its calls and works at the others."""
    calls = itertools.count()

    def call(*args, **kwargs):
        if next(calls) == at:
            raise error
        return function(*args, **kwargs)

    return call


FULL = OSError(errno.ENOSPC, "No space left on device")
FAULTS = [
    ("os.write", 0),
    ("os.write", 1),
    ("os.fsync", 0),
    ("os.fsync", 1),
    ("tempfile.mkdtemp", 0),
    ("tempfile.mkstemp", 0),
    ("Path.chmod", 0),
    ("Path.rename", 0),
    ("Path.rename", 1),
    ("Path.replace", 0),
]


def break_at(monkeypatch, name, at, error):
    place, attribute = name.split(".")
    owner = {"os": os, "tempfile": tempfile, "Path": Path}[place]
    monkeypatch.setattr(owner, attribute, failing(getattr(owner, attribute), at, error))


def refused(write, place, content):
    """Whether the write was refused; not every way of writing comes to every fault."""
    try:
        write(place, content)
    except WriteError as error:
        message = f"{place} could not be written: No space left on device. Nothing was changed."
        assert str(error) == message  # noqa: PT017 - it need not be raised
        return True
    return False


@pytest.mark.parametrize("path", ["a.bin", "deep/er/a.bin"])
def test_a_file_is_written_with_its_folders(tmp_path, path):
    write_file(tmp_path / path, b"content")
    assert (tmp_path / path).read_bytes() == b"content"
    assert [name for name in tree(tmp_path) if tree(tmp_path)[name] is not None] == [path]


def test_a_file_replaces_the_one_before(tmp_path):
    write_file(tmp_path / "a.bin", b"old" * 100)
    write_file(tmp_path / "a.bin", b"new")
    assert tree(tmp_path) == {"a.bin": b"new"}


def test_a_folder_is_written_and_replaced_as_a_whole(tmp_path):
    write_folder(tmp_path / "in" / "task", {**OLD, "more.txt": b"more"})
    write_folder(tmp_path / "in" / "task", NEW)
    assert tree(tmp_path / "in" / "task") == NEW
    assert [path.name for path in tmp_path.glob("in/.*")] == []


def test_a_name_with_slashes_lies_in_a_folder_of_its_own(tmp_path):
    write_folder(tmp_path / "task", {"a.txt": b"one", "in/side/b.txt": b"two"})
    assert (tmp_path / "task" / "in" / "side" / "b.txt").read_bytes() == b"two"
    assert (tmp_path / "task" / "a.txt").read_bytes() == b"one"


def test_an_empty_folder_is_replaced(tmp_path):
    (tmp_path / "task").mkdir()
    write_folder(tmp_path / "task", NEW)
    assert tree(tmp_path / "task") == NEW


def test_short_writes_are_continued(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:7]))
    write_file(tmp_path / "a.bin", b"0123456789" * 5)
    assert (tmp_path / "a.bin").read_bytes() == b"0123456789" * 5


def test_what_is_written_has_the_mode_of_any_new_file(tmp_path):
    (tmp_path / "plain").touch()
    (tmp_path / "plain_folder").mkdir()
    write_file(tmp_path / "a.bin", b"")
    write_folder(tmp_path / "task", OLD)
    assert (tmp_path / "a.bin").stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert (tmp_path / "task").stat().st_mode == (tmp_path / "plain_folder").stat().st_mode
    assert (tmp_path / "task" / "task.json").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize(("name", "at"), FAULTS)
@pytest.mark.parametrize("is_there", [True, False], ids=["replaced", "new"])
def test_a_folder_that_cannot_be_written_leaves_the_old_state(
    tmp_path, monkeypatch, name, at, is_there
):
    place = tmp_path / "deep" / "er" / "task"
    if is_there:
        write_folder(place, OLD)
    before = tree(tmp_path)
    with monkeypatch.context() as patched:
        break_at(patched, name, at, FULL)
        is_refused = refused(write_folder, place, NEW)
    assert is_refused or name != "os.write"
    assert tree(tmp_path) == before if is_refused else tree(place) == NEW
    assert not list(place.parent.glob(".*"))


@pytest.mark.parametrize(("name", "at"), FAULTS)
@pytest.mark.parametrize("is_there", [True, False], ids=["replaced", "new"])
def test_a_file_that_cannot_be_written_leaves_the_old_state(
    tmp_path, monkeypatch, name, at, is_there
):
    place = tmp_path / "deep" / "er" / "a.bin"
    if is_there:
        write_file(place, b"old")
    before = tree(tmp_path)
    with monkeypatch.context() as patched:
        break_at(patched, name, at, FULL)
        is_refused = refused(write_file, place, b"new" * 1000)
    assert tree(tmp_path) == before if is_refused else place.read_bytes() == b"new" * 1000
    assert not list(place.parent.glob(".*"))


@pytest.mark.parametrize("name", ["os.write", "os.fsync", "Path.rename"])
def test_an_interrupt_leaves_the_old_state(tmp_path, monkeypatch, name):
    write_folder(tmp_path / "task", OLD)
    before = tree(tmp_path)
    with monkeypatch.context() as patched:
        break_at(patched, name, 1, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            write_folder(tmp_path / "task", NEW)
    assert tree(tmp_path) == before


def test_an_impossible_place_is_reported_and_leaves_nothing(tmp_path):
    (tmp_path / "file").write_bytes(b"a file")
    before = tree(tmp_path)
    for place in ("file/task", "new/" + "x" * 300, "y" * 300 + "/task"):
        with pytest.raises(WriteError, match="could not be written"):
            write_folder(tmp_path / place, NEW)
        with pytest.raises(WriteError, match="could not be written"):
            write_file(tmp_path / place, b"new")
        assert tree(tmp_path) == before


def test_a_reader_sees_the_old_file_or_the_new_one(tmp_path):
    path = tmp_path / "a.bin"
    contents = [b"a" * 100_000, b"b" * 70_000]
    write_file(path, contents[0])
    is_done = threading.Event()
    seen = set()

    def read():
        while not is_done.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(40):
        write_file(path, contents[turn % 2])
    is_done.set()
    reader.join()
    assert seen <= set(contents)
    assert seen


def test_a_free_place_is_free(tmp_path):
    check_free(tmp_path / "new", overwrite=False)
    (tmp_path / "empty").mkdir()
    check_free(tmp_path / "empty", overwrite=False, marker="task.json")


@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_a_taken_place_is_refused(tmp_path, kind):
    place = tmp_path / "place"
    match kind:
        case "file":
            place.write_bytes(b"something")
        case "folder":
            write_folder(place, OLD)
        case "dangling link":
            place.symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputExistsError, match="exists; choose another place, or ask to overw"):
        check_free(place, overwrite=False, marker="task.json")


def test_a_task_may_be_overwritten_when_asked_for(tmp_path):
    write_folder(tmp_path / "task", OLD)
    check_free(tmp_path / "task", overwrite=True, marker="task.json")


@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_what_is_no_task_is_refused_even_when_asked_for(tmp_path, kind):
    place = tmp_path / "place"
    match kind:
        case "file":
            place.write_bytes(b"something")
        case "folder":
            write_folder(place, {"thesis.txt": b"years"})
        case "dangling link":
            place.symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputExistsError, match=r"holds no task\.json, so it is not overwritten"):
        check_free(place, overwrite=True, marker="task.json")
