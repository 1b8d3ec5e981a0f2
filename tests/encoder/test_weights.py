"""Weight files are read without running anything from them, whole or in shards."""

import json
import pickle
import random
from contextlib import suppress

import pytest
import torch
from safetensors.torch import save_file

from polyhead.encoder.weights import read_weights
from polyhead.errors import CheckpointError

TENSORS = {"a": torch.arange(6.0).view(2, 3), "b": torch.ones(4)}


def assert_has_tensors(folder):
    found = read_weights(folder)
    assert found.keys() == TENSORS.keys()
    assert all(torch.equal(found[name], TENSORS[name]) for name in TENSORS)


def write_index(folder, names, file="model.safetensors.index.json"):
    (folder / file).write_text(json.dumps({"metadata": {}, "weight_map": names}))


def refusal(folder):
    with pytest.raises(CheckpointError) as caught:
        read_weights(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_safetensors_are_read(tmp_path):
    save_file(TENSORS, tmp_path / "model.safetensors")
    assert_has_tensors(tmp_path)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_bin_file_is_read(tmp_path, zipped):
    torch.save(TENSORS, tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
    assert_has_tensors(tmp_path)


def test_safetensors_are_preferred_over_bin(tmp_path):
    save_file(TENSORS, tmp_path / "model.safetensors")
    (tmp_path / "pytorch_model.bin").write_bytes(b"not read")
    assert_has_tensors(tmp_path)


def test_shards_are_read(tmp_path):
    save_file({"a": TENSORS["a"]}, tmp_path / "model-1.safetensors")
    save_file({"b": TENSORS["b"]}, tmp_path / "model-2.safetensors")
    write_index(tmp_path, {"a": "model-1.safetensors", "b": "model-2.safetensors"})
    assert_has_tensors(tmp_path)


def test_bin_shards_are_read(tmp_path):
    torch.save({"a": TENSORS["a"]}, tmp_path / "part-1.bin")
    torch.save({"b": TENSORS["b"]}, tmp_path / "part-2.bin")
    write_index(
        tmp_path, {"a": "part-1.bin", "b": "part-2.bin"}, file="pytorch_model.bin.index.json"
    )
    assert_has_tensors(tmp_path)


def test_a_missing_shard_is_refused(tmp_path):
    write_index(tmp_path, {"a": "model-1.safetensors"})
    assert "model-1.safetensors" in refusal(tmp_path)


@pytest.mark.parametrize(
    "name", ["../secret.bin", "/etc/passwd", "a/b.safetensors", "..", "", ".", 3, None, ["x"]]
)
def test_an_index_that_names_something_elsewhere_is_refused(tmp_path, name):
    write_index(tmp_path, {"a": name})
    assert refusal(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"weight_map": 3}', "[" * 100_000])
def test_an_index_that_is_none_is_refused(tmp_path, content):
    (tmp_path / "model.safetensors.index.json").write_text(content)
    assert "is not an index of weight files" in refusal(tmp_path)


def test_a_folder_without_weights_is_refused(tmp_path):
    assert "has no weights" in refusal(tmp_path)


class Payload:
    """Unpickled, it would write a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_payload_in_a_bin_file_is_refused_and_not_run(tmp_path):
    trace = tmp_path / "trace"
    torch.save({"a": torch.ones(2), "b": Payload(trace)}, tmp_path / "pytorch_model.bin")
    assert "cannot be read as weights" in refusal(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps(Payload(trace)))
    assert "cannot be read as weights" in refusal(tmp_path)
    assert not trace.exists()


@pytest.mark.parametrize("content", [[torch.ones(2)], {"a": 3}, {1: torch.ones(2)}, torch.ones(2)])
def test_a_bin_file_of_something_else_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "pytorch_model.bin")
    assert "does not hold a dictionary of tensors" in refusal(tmp_path)


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin", "legacy"])
def test_a_damaged_file_is_refused_or_read_whole(tmp_path, file):
    """Cut at many lengths, and with bytes changed: a sentence or weights, never a traceback."""
    path = tmp_path / ("pytorch_model.bin" if file == "legacy" else file)
    if file == "model.safetensors":
        save_file(TENSORS, path)
    else:
        torch.save(TENSORS, path, _use_new_zipfile_serialization=file != "legacy")
    whole = path.read_bytes()
    for length in range(0, len(whole), max(1, len(whole) // 60)):
        path.write_bytes(whole[:length])
        assert refusal(tmp_path)
    generator = random.Random(0)  # noqa: S311 - any damage will do
    n_read = 0
    for _ in range(200):
        damaged = bytearray(whole)
        for _ in range(generator.choice([1, 3, 10])):
            damaged[generator.randrange(len(whole))] = generator.randrange(256)
        path.write_bytes(damaged)
        with suppress(CheckpointError):
            read_weights(tmp_path)
            n_read += 1
    assert n_read < 200
