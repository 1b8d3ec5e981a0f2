"""Sizes of files are understood, and weights are cut into as many as it takes."""

import json

import pytest
import torch
from safetensors.torch import load_file

from polyhead.distilbert.saving import bytes_of, write_checkpoint
from polyhead.errors import ConfigError

WEIGHTS = {name: torch.full((10,), float(number)) for number, name in enumerate("abcd")}
"""40 bytes each."""


@pytest.mark.parametrize(
    ("size", "number"),
    [
        (7, 7),
        ("7", 7),
        ("5GB", 5 * 10**9),
        ("1.5 mb", 1_500_000),
        ("2KiB", 2048),
        ("1GiB", 2**30),
    ],
)
def test_a_size_is_a_number_of_bytes(size, number):
    assert bytes_of(size) == number


@pytest.mark.parametrize("size", ["", "GB", "5 gigabytes", "-3", 0, "0.1", None])
def test_what_is_no_size_is_refused(size):
    with pytest.raises(ConfigError, match="is no size; give a number of bytes, or one such as"):
        bytes_of(size)


@pytest.mark.parametrize(("most", "files"), [(160, 1), (159, 2), (80, 2), (79, 4), (40, 4), (1, 4)])
def test_no_file_is_larger_than_it_may_be_unless_one_weight_is(tmp_path, most, files):
    write_checkpoint(tmp_path, WEIGHTS, is_safe=True, most_bytes=most)
    found = sorted(tmp_path.glob("*.safetensors"))
    assert len(found) == files
    held = {}
    for path in found:
        shard = load_file(path)
        assert len(shard) == 1 or sum(weight.nbytes for weight in shard.values()) <= most
        held.update(shard)
    assert all(torch.equal(held[name], weight) for name, weight in WEIGHTS.items())
    if files > 1:
        assert found[0].name == f"model-00001-of-{files:05}.safetensors"
        index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
        assert index["metadata"]["total_size"] == 160
        assert index["weight_map"].keys() == WEIGHTS.keys()
        assert set(index["weight_map"].values()) == {path.name for path in found}
    else:
        assert found[0].name == "model.safetensors"


def test_parts_of_one_matrix_are_saved_without_the_others(tmp_path):
    whole = torch.arange(3000.0)
    weights = dict(zip("qkv", whole.chunk(3), strict=True))
    for is_safe, name in ((True, "model.safetensors"), (False, "pytorch_model.bin")):
        write_checkpoint(tmp_path, weights, is_safe=is_safe, most_bytes=10**6)
        assert (tmp_path / name).stat().st_size < 15_000
    loaded = torch.load(tmp_path / "pytorch_model.bin", weights_only=True)
    assert torch.equal(loaded["k"], whole[1000:2000])
