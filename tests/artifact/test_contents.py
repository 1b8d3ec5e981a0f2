"""A task read whole is what it was saved as; headers alone tell the rest of its story."""

import os
import shutil
import time

import pytest
import torch

from polyhead.artifact import known_digests as module
from polyhead.artifact import read_contents, read_headers, read_task
from polyhead.artifact.known_digests import digest_of
from polyhead.errors import ArtifactError


@pytest.fixture
def folder(model, tmp_path):
    model.save_task("mood", tmp_path / "mood")
    return tmp_path / "mood"


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch):
    monkeypatch.setattr(module, "_known", type(module._known)())


def refusal(read, folder):
    with pytest.raises(ArtifactError) as caught:
        read(folder)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", ["mood", "bare"])
def test_contents_are_the_files(model, tmp_path, name):
    folder = tmp_path / name
    model.save_task(name, folder)
    contents = read_contents(folder)
    assert contents.saved == read_task(folder) == read_headers(folder)
    for path, content in contents.weights.items():
        assert content == (folder / path).read_bytes()
        assert os.path.samestat(contents.states[path], (folder / path).stat())
    assert contents.task_file == (folder / "task.json").read_bytes()


def test_a_task_held_in_memory_is_loaded_when_its_files_are_gone(folder, make_model):
    contents = read_contents(folder)
    shutil.rmtree(folder)
    other = make_model()
    assert other.load_task(contents, name="held") == "held"
    assert list(other.tasks) == list(other.heads) == list(other.adapters) == ["held"]


@pytest.mark.parametrize("read", [read_contents, read_headers])
@pytest.mark.parametrize("name", ["head.safetensors", "adapter.safetensors", "task.json"])
def test_a_file_cut_short_missing_or_too_long_is_refused(folder, read, name):
    whole = (folder / name).read_bytes()
    for content in (*(whole[:length] for length in (0, 5, 8, 100, len(whole) // 2)), whole + b"x"):
        (folder / name).write_bytes(content)
        assert name in refusal(read, folder)
    (folder / name).unlink()
    assert name in refusal(read, folder)
    (folder / name).mkdir()
    assert name in refusal(read, folder)


@pytest.mark.parametrize("read", [read_contents, read_headers])
def test_files_in_each_others_place_are_refused(folder, read):
    shutil.copy(folder / "adapter.safetensors", folder / "head.safetensors")
    assert "head.safetensors was saved as 'adapter', not as 'head'" in refusal(read, folder)


def test_a_header_that_claims_to_be_endless_is_refused(folder):
    path = folder / "head.safetensors"
    path.write_bytes(b"\xff" * path.stat().st_size)
    for read in (read_contents, read_headers):
        assert "head.safetensors is damaged" in refusal(read, folder)


@pytest.mark.parametrize("metadata", [b"3", b"[]", b'"x"', b"null"])
def test_a_header_without_a_manifest_is_refused(folder, metadata):
    header = b'{"__metadata__": ' + metadata + b"}"
    path = folder / "head.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    for read in (read_contents, read_headers):
        assert "head.safetensors" in refusal(read, folder)


def test_one_changed_byte_is_refused_also_right_after_it_was_read(folder):
    path = folder / "head.safetensors"
    read_contents(folder)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert "its digest differs" in refusal(read_contents, folder)


def test_a_settled_file_is_digested_once(folder, monkeypatch):
    long_ago = time.time() - 3600
    for path in folder.iterdir():
        os.utime(path, (long_ago, long_ago))
    read_contents(folder)
    digested = []

    def spy(content):
        digested.append(content)
        raise AssertionError("digested again")

    monkeypatch.setattr(module.hashlib, "sha256", spy)
    path = folder / "head.safetensors"
    content = path.read_bytes()
    stat = path.stat()
    assert digest_of(content, stat) == read_headers(folder).manifest.head.sha256
    os.utime(path, (long_ago + 1, long_ago + 1))
    with pytest.raises(AssertionError):
        digest_of(content, path.stat())


def test_digests_of_so_many_files_are_known_and_no_more(folder, monkeypatch):
    monkeypatch.setattr(module, "_MOST_FILES", 3)
    path = folder / "README.md"
    for second in range(10):
        os.utime(path, (second, second))
        digest_of(path.read_bytes(), path.stat())
    assert len(module._known) == 3


def test_weights_come_in_the_type_of_the_model(folder, make_model):
    other = make_model().double()
    other.load_task(read_contents(folder))
    assert {weight.dtype for weight in other.adapters["mood"].parameters()} == {torch.float64}
