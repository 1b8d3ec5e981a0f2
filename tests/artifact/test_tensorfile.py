"""One file holds the tensors bit by bit and says what they are; a damaged one is refused."""

import json
import random
from contextlib import suppress

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from polyhead.artifact import read_manifest, read_tensors, tensor_file
from polyhead.errors import ArtifactError


@pytest.fixture
def saved(model, tmp_path):
    """The file of an adapter, and the adapter."""
    return model.save_adapter("legal", tmp_path), model.adapters["legal"]


def read(path, expected):
    read_manifest(path)
    return read_tensors(path, expected)


def refusal(path, expected=None):
    """The sentence by which a file is refused."""
    with pytest.raises(ArtifactError) as caught:
        read(path, expected or {})
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_tensors_come_back_bit_by_bit(saved):
    path, adapter = saved
    weights = adapter.state_dict()
    weights["ffn.0.up.bias"][0] = -0.0
    weights["ffn.0.up.bias"][1] = 1e-45
    path.write_bytes(tensor_file(adapter, read_manifest(path)))
    found = read_tensors(path, weights)
    assert found.keys() == weights.keys()
    for name, weight in weights.items():
        assert torch.equal(found[name].view(torch.int32), weight.view(torch.int32))


def test_names_of_tensors_are_free_of_the_adapters_name(saved):
    with safe_open(saved[0], framework="pt") as file:
        names = list(file.keys())
    assert "ffn.0.down.weight" in names
    assert not any("legal" in name for name in names)


def test_the_same_weights_make_the_same_file(saved):
    path, adapter = saved
    assert tensor_file(adapter, read_manifest(path)) == path.read_bytes()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_floating_point_of_any_width_is_kept(saved, dtype):
    path, adapter = saved
    adapter.to(dtype)
    path.write_bytes(tensor_file(adapter, read_manifest(path)))
    found = read_tensors(path, adapter.state_dict())
    for name, weight in adapter.state_dict().items():
        assert found[name].dtype == dtype
        assert torch.equal(found[name], weight)


def test_a_file_replaced_while_the_model_lives_does_not_reach_it(saved):
    path, adapter = saved
    found = read_tensors(path, adapter.state_dict())
    with path.open("r+b") as file:
        file.write(b"\xff" * path.stat().st_size)
    assert all(torch.equal(found[name], w) for name, w in adapter.state_dict().items())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_not_saved(model, tmp_path, value):
    with torch.no_grad():
        model.adapters["legal"].ffn["0"].up.bias[3] = value
    with pytest.raises(ArtifactError, match=r"adapter 'legal': ffn\.0\.up\.bias holds values that"):
        model.save_adapter("legal", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_no_tensor_is_read_for_a_manifest(saved, monkeypatch):
    import polyhead.artifact.tensorfile as module  # noqa: PLC0415

    class HeaderOnly:
        def __init__(self, *args, **kwargs):
            self.file = safe_open(*args, **kwargs)

        def __enter__(self):
            opened = self.file.__enter__()
            return type("Header", (), {"metadata": staticmethod(opened.metadata)})()

        def __exit__(self, *args):
            self.file.__exit__(*args)

    monkeypatch.setattr(module, "safe_open", HeaderOnly)
    assert read_manifest(saved[0]).name == "legal"


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda t: t.pop("ffn.1.up.bias"), "lacks tensors: ffn.1.up.bias."),
        (lambda t: t.update(more=torch.ones(1)), "has unexpected tensors: more."),
        (lambda t: t.clear(), ", ..."),
        (
            lambda t: t.update({"ffn.1.up.bias": torch.ones(31)}),
            "ffn.1.up.bias has the shape (31,); its manifest makes it (32,).",
        ),
        (lambda t: t.update({"ffn.1.up.bias": torch.ones(1, 32)}), "has the shape (1, 32)"),
        (lambda t: t.update({"ffn.1.up.bias": torch.tensor(1.0)}), "has the shape ()"),
        (lambda t: t["ffn.1.up.bias"].fill_(float("nan")), "ffn.1.up.bias holds values that are"),
        (lambda t: t["ffn.1.up.bias"].fill_(float("inf")), "not finite (NaN or infinity)"),
        (lambda t: t.update({"ffn.1.up.bias": torch.ones(32).int()}), "is of type torch.int32"),
        (lambda t: t.update({"ffn.1.up.bias": torch.ones(32).bool()}), "is of type torch.bool"),
        (
            lambda t: t.update({"ffn.1.up.bias": torch.ones(32, dtype=torch.complex64)}),
            "is of type torch.complex64",
        ),
        (
            lambda t: t.update({"ffn.1.up.bias": torch.full((32,), 1e300, dtype=torch.float64)}),
            "not finite",
        ),
    ],
)
def test_tensors_that_are_not_the_expected_ones_are_refused(saved, change, part):
    path, adapter = saved
    expected = adapter.state_dict()
    held = {name: weight.clone() for name, weight in expected.items()}
    change(held)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    save_file(held, path, metadata=metadata)
    assert part in refusal(path, expected)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "damaged"),
        (b"PK\x03\x04" + b"\0" * 100, "damaged"),
        (b"\xff" * 200, "damaged"),
        (b"\x02\0\0\0\0\0\0\0{}", "it has no manifest"),
    ],
)
def test_another_file_is_refused(tmp_path, content, part):
    path = tmp_path / "adapter.safetensors"
    path.write_bytes(content)
    assert part in refusal(path)


def test_a_safetensors_file_of_someone_else_is_refused(tmp_path):
    path = tmp_path / "adapter.safetensors"
    save_file({"a": torch.ones(2)}, path, metadata={"format": "pt"})
    assert "was not written by polyhead: it has no manifest" in refusal(path)


def test_a_path_that_is_no_file_is_refused(tmp_path):
    assert "is not a file" in refusal(tmp_path / "nowhere")
    assert "is not a file" in refusal(tmp_path)
    assert "is not a file" in refusal(tmp_path / ("x" * 300))


def test_a_file_cut_at_any_length_is_refused(saved):
    path, adapter = saved
    whole = path.read_bytes()
    expected = adapter.state_dict()
    header = 8 + int.from_bytes(whole[:8], "little")
    lengths = {*range(0, header, 37), header - 1, header, header + 1, len(whole) - 1}
    lengths |= set(range(header, len(whole), 1999))
    for length in sorted(lengths):
        path.write_bytes(whole[:length])
        refusal(path, expected)


def test_damaged_bytes_are_refused_or_are_weights(saved):
    """Any damage leads to a sentence, or to numbers that could have been saved."""
    path, adapter = saved
    whole = path.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    generator = random.Random(0)  # noqa: S311 - any damage will do
    n_read = 0
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(generator.choice([1, 2, 8])):
            damaged[generator.randrange(header)] = generator.randrange(256)
        path.write_bytes(damaged)
        with suppress(ArtifactError):
            read(path, adapter.state_dict())
            n_read += 1
    assert n_read < 150


def test_a_header_that_claims_odd_types_is_refused(saved):
    path, adapter = saved
    whole = path.read_bytes()
    size = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + size])
    for dtype in ("F8_E4M3", "F4", "U64", "F99", "", 3):
        header["ffn.0.up.bias"]["dtype"] = dtype
        text = json.dumps(header).encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text + whole[8 + size :])
        refusal(path, adapter.state_dict())


def test_a_module_without_tensors_makes_a_file(saved):
    content = tensor_file(nn.Module(), read_manifest(saved[0]))
    saved[0].write_bytes(content)
    assert read_tensors(saved[0], {}) == {}
