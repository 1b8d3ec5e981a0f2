"""A precision is refused where it cannot be, and leaves the encoder itself what it was."""

import copy
import pickle

import pytest
import torch
from torch import nn

from polyhead.batch import Packed, Row
from polyhead.encoder import (
    PRECISIONS,
    DistilBertConfig,
    Encoder,
    check_precision,
    checkpoint_weights,
    precision,
)
from polyhead.encoder.bfloat16_linear import Bfloat16Linear
from polyhead.encoder.int8_linear import Int8Linear
from polyhead.errors import ConfigError

CPU, GPU = torch.device("cpu"), torch.device("cuda")
REDUCED = ["int8", "bfloat16"]
SIZES = {
    "vocab_size": 20,
    "max_position_embeddings": 10,
    "n_layers": 2,
    "n_heads": 2,
    "dim": 16,
    "hidden_dim": 24,
}
PACKED = Packed.of([Row((1, 2, 3)), Row((4,)), Row((5, 6, 7, 8, 9))])


def pickled(it):
    return pickle.loads(pickle.dumps(it))  # noqa: S301 - our own bytes


@pytest.fixture(autouse=True)
def processor(monkeypatch):
    """One that multiplies bfloat16, whichever this one is."""
    monkeypatch.setattr(precision, "has_bfloat16_products", lambda: True)


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return Encoder(DistilBertConfig(**SIZES, initializer_range=0.2))


def states(encoder):
    with torch.inference_mode():
        return encoder(PACKED).last


def n_bytes(module):
    return sum(kept.nbytes for kept in module.state_dict().values())


@pytest.mark.parametrize("name", PRECISIONS)
def test_each_is_for_a_cpu_or_a_gpu(name):
    places = [place for place in (CPU, GPU) if is_taken(name, place)]
    assert places == {"float32": [CPU, GPU], "bfloat16": [CPU, GPU], "float16": [GPU]}.get(
        name, [CPU]
    )


def is_taken(name, place):
    try:
        return check_precision(name, place) == name
    except ConfigError:
        return False


@pytest.mark.parametrize(
    ("name", "device", "sentence"),
    [
        ("float16", CPU, "precision 'float16' is for GPUs: no CPU is fast in it; choose 'int8'"),
        ("int8", GPU, "precision 'int8' is for CPUs, and the model shall be on cuda; choose"),
        ("int3", CPU, "no precision 'int3'; choose one of float32, bfloat16, float16, int8."),
        ("INT8", CPU, "there is no precision 'INT8'"),
        ("fp16", GPU, "there is no precision 'fp16'"),
        ("", CPU, "there is no precision ''"),
        (None, CPU, "there is no precision None"),
        (8, CPU, "there is no precision 8"),
        (["int8"], CPU, r"there is no precision \['int8'\]"),
        (torch.float16, GPU, "there is no precision torch.float16"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(name, device, sentence):
    with pytest.raises(ConfigError, match=sentence):
        check_precision(name, device)


def test_bfloat16_is_refused_on_a_cpu_without_it(monkeypatch, encoder):
    monkeypatch.setattr(precision, "has_bfloat16_products", lambda: False)
    with pytest.raises(ConfigError, match="this CPU does not multiply bfloat16"):
        encoder.reduce("bfloat16")
    assert check_precision("bfloat16", GPU) == "bfloat16"
    assert not encoder.is_reduced


@pytest.mark.parametrize(("name", "kind"), [("int8", Int8Linear), ("bfloat16", Bfloat16Linear)])
def test_every_linear_layer_is_reduced_and_nothing_else(encoder, name, kind):
    linears = sum(isinstance(module, nn.Linear) for module in encoder.modules())
    others = {key for key in encoder.state_dict() if "norm" in key or "embeddings" in key}
    encoder.reduce(name)
    assert encoder.is_reduced
    assert encoder.precision == name
    assert sum(isinstance(module, kind) for module in encoder.modules()) == linears == 4 * 2
    assert not any(isinstance(module, nn.Linear) for module in encoder.modules())
    held = encoder.state_dict()
    assert {held[key].dtype for key in others} == {torch.float32}
    assert not any(weight.requires_grad for weight in encoder.parameters())


def test_float32_leaves_an_encoder_as_it_is(encoder):
    before = states(encoder)
    encoder.reduce("float32")
    assert not encoder.is_reduced
    assert encoder.precision == "float32"
    assert torch.equal(states(encoder), before)


def test_precision_tells_what_an_encoder_was_moved_to(encoder):
    assert encoder.to(torch.bfloat16).precision == "bfloat16"
    assert not encoder.is_reduced


@pytest.mark.parametrize(("name", "near"), [("int8", 0.1), ("bfloat16", 0.02)])
def test_hidden_states_stay_near_those_of_float32(encoder, name, near):
    before = states(encoder)
    encoder.reduce(name)
    after = states(encoder)
    assert after.dtype is torch.float32
    assert (after - before).pow(2).mean().sqrt() < near * before.pow(2).mean().sqrt()
    assert not torch.equal(after, before)


@pytest.mark.parametrize(("name", "share"), [("int8", 0.27), ("bfloat16", 0.52)])
def test_reduced_layers_take_less_memory(name, share):
    encoder = Encoder(DistilBertConfig(**{**SIZES, "dim": 128, "hidden_dim": 512}))
    before = n_bytes(encoder.layers)
    encoder.reduce(name)
    assert n_bytes(encoder.layers) < share * before


@pytest.mark.parametrize("name", REDUCED)
def test_the_fingerprint_stays(encoder, name):
    before = encoder.fingerprint()
    encoder.reduce(name)
    assert encoder.fingerprint() == before
    assert copy.deepcopy(encoder).fingerprint() == before
    assert pickled(encoder).fingerprint() == before


@pytest.mark.parametrize("name", REDUCED)
def test_an_encoder_that_is_changed_behind_that_has_another_fingerprint(encoder, name):
    before = encoder.fingerprint()
    encoder.reduce(name)
    kept = encoder.layers[0].lin1.rounded.clone()
    encoder.layers[0].lin1.rounded[0, 0] += 1
    assert encoder.fingerprint() != before
    encoder.layers[0].lin1.rounded.copy_(kept)
    assert encoder.fingerprint() == before
    encoder.word_embeddings.weight[3, 0] += 1
    assert encoder.fingerprint() != before


@pytest.mark.parametrize("name", REDUCED)
def test_a_projection_has_the_weight_that_is_multiplied_with(encoder, name):
    weights = {site: encoder.projection(1, site).weight for site in ("q", "k", "v", "out", "lin2")}
    encoder.reduce(name)
    for site, before in weights.items():
        projection = encoder.projection(1, site)
        weight, bias = projection
        assert weight.dtype is torch.float32
        assert len(bias) == len(weight)
        torch.testing.assert_close(weight, before, atol=float(before.abs().max()) / 60, rtol=0.01)
        inputs = torch.randn(3, weight.shape[1])
        assert torch.equal(projection(inputs), nn.functional.linear(inputs, weight, bias))


@pytest.mark.parametrize("name", REDUCED)
def test_a_reduced_encoder_cannot_be_trained_or_written(encoder, name):
    encoder.reduce(name)
    with pytest.raises(ConfigError, match=f"precision '{name}' cannot be trained itself"):
        encoder.unfreeze()
    assert encoder.is_frozen
    with pytest.raises(ConfigError, match=f"rounded to {name}, and a checkpoint holds them"):
        checkpoint_weights(encoder)
    for again in REDUCED:
        with pytest.raises(ConfigError, match=f"frozen encoder in float32 .* one is in {name}"):
            encoder.reduce(again)
    encoder.freeze()
    encoder.train()
    assert not encoder.training


def test_an_encoder_in_training_is_not_reduced(encoder):
    encoder.unfreeze()
    with pytest.raises(ConfigError, match="this one is in float32 and in training"):
        encoder.reduce("int8")
    assert not encoder.is_reduced


def test_an_encoder_in_another_type_is_not_reduced(encoder):
    with pytest.raises(ConfigError, match="this one is in bfloat16"):
        encoder.to(torch.bfloat16).reduce("int8")


def test_an_encoder_elsewhere_is_not_reduced(encoder):
    with pytest.raises(ConfigError, match="reduced on a CPU, and this one is on meta"):
        encoder.to("meta").reduce("bfloat16")
    assert not encoder.is_reduced


@pytest.mark.parametrize("name", REDUCED)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_reduced_encoder_that_was_moved_refuses_to_compute(encoder, name, dtype):
    encoder.reduce(name)
    encoder.to(dtype)
    with pytest.raises(ConfigError, match=f"'{name}' computes on a CPU, between tensors of float"):
        states(encoder)


@pytest.mark.parametrize("name", REDUCED)
def test_a_move_to_where_it_is_changes_nothing(encoder, name):
    encoder.reduce(name)
    before = states(encoder)
    encoder.float().cpu().to("cpu", torch.float32)
    assert torch.equal(states(encoder), before)


@pytest.mark.parametrize("name", REDUCED)
def test_copies_compute_the_same(encoder, name):
    encoder.reduce(name)
    before = states(encoder)
    for other in (copy.deepcopy(encoder), pickled(encoder)):
        assert other.precision == name
        torch.testing.assert_close(states(other), before, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", REDUCED)
def test_autocast_runs_on_a_reduced_encoder(encoder, name):
    encoder.reduce(name)
    before = states(encoder)
    with torch.autocast("cpu"):
        found = states(encoder)
    assert (found - before).abs().mean() < 0.1
    assert (states(encoder) - before).abs().max() < 1e-5


@pytest.mark.parametrize("name", ["float32", *REDUCED])
def test_rows_that_are_not_finite_stay_alone(encoder, name):
    encoder.reduce(name)
    before = states(encoder)
    encoder.word_embeddings.weight[4] = torch.nan  # the second row's only token
    found = states(encoder)
    assert found[3].isnan().all()
    others = [0, 1, 2, 4, 5, 6, 7, 8]
    torch.testing.assert_close(found[others], before[others], atol=1e-5, rtol=0)
