"""Checkpoints of DistilBERT and BERT load exactly, or are refused with one sentence."""

import pytest
import torch
from safetensors.torch import load_file

from polyhead.encoder import load_encoder
from polyhead.errors import CheckpointError
from polyhead.model import DistilBertModelWithHeads

MASK = torch.tensor([[1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 0, 1], [1, 1, 0, 0, 0, 0]])
IDS = torch.randint(40, MASK.shape, generator=torch.Generator().manual_seed(3))


def assert_equal_to(reference, folder):
    with torch.no_grad():
        expected = reference(input_ids=IDS, attention_mask=MASK).last_hidden_state
    model = DistilBertModelWithHeads.from_pretrained(folder)
    found = model(input_ids=IDS, attention_mask=MASK).last_hidden_state
    kept = MASK.bool()
    torch.testing.assert_close(found[kept], expected[kept], atol=1e-5, rtol=0)


def renamed(change):
    return lambda weights: {change(name): weight for name, weight in weights.items()}


def legacy(name):
    return name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
        "LayerNorm.bias", "LayerNorm.beta"
    )


def refusal(folder):
    """The sentence by which a checkpoint is refused."""
    with pytest.raises(CheckpointError) as caught:
        load_encoder(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert str(folder) in message
    return message


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"hidden_act": "relu"},
        {"layer_norm_eps": 1e-3},
        {"type_vocab_size": 1},
        {"type_vocab_size": 5},
    ],
    ids=str,
)
def test_bert_equals_transformers_after_folding(save_bert, fields):
    assert_equal_to(*save_bert(**fields))


def test_bert_without_pooler_loads(save_bert, rewrite):
    reference, folder = save_bert()
    without = lambda weights: {n: w for n, w in weights.items() if not n.startswith("pooler.")}  # noqa: E731
    assert "pooler.dense.weight" in load_file(folder / "model.safetensors")
    assert_equal_to(reference, rewrite(folder, without))


def test_legacy_names_of_layer_norms_load(save_bert, rewrite):
    reference, folder = save_bert()
    assert_equal_to(reference, rewrite(folder, renamed(legacy)))


@pytest.mark.parametrize("save", ["save_bert", "save_distilbert"])
def test_weights_under_the_models_prefix_load_beside_those_of_heads(save, request, rewrite):
    reference, folder = request.getfixturevalue(save)()
    prefix = save.removeprefix("save_") + "."

    def change(weights):
        heads = {"classifier.weight": torch.ones(2, 32), "cls.predictions.bias": torch.ones(40)}
        return {**renamed(prefix.__add__)(weights), **heads}

    assert_equal_to(reference, rewrite(folder, change))


@pytest.mark.parametrize("name", ["embeddings.position_ids", "embeddings.token_type_ids"])
def test_buffers_that_old_versions_saved_are_passed_over(save_bert, rewrite, name):
    reference, folder = save_bert()
    assert_equal_to(reference, rewrite(folder, lambda w: {**w, name: torch.arange(24)}))


def test_half_precision_weights_become_float32(save_distilbert, rewrite):
    _, folder = save_distilbert()
    rewrite(folder, lambda weights: {name: weight.half() for name, weight in weights.items()})
    assert {weight.dtype for weight in load_encoder(folder).parameters()} == {torch.float32}


@pytest.mark.parametrize("layers", [1, 3])
def test_another_depth_than_the_configs_is_refused(save_distilbert, reconfigure, layers):
    _, folder = save_distilbert()
    message = refusal(reconfigure(folder, n_layers=layers))
    assert message == f"{folder} holds 2 layers and its config.json speaks of {layers}."


@pytest.mark.parametrize(
    "name",
    [
        "embeddings.position_embeddings.weight",
        "embeddings.LayerNorm.bias",
        "transformer.layer.1.attention.k_lin.weight",
        "transformer.layer.0.ffn.lin2.bias",
    ],
)
def test_a_missing_weight_is_refused(save_distilbert, rewrite, name):
    _, folder = save_distilbert()
    rewrite(folder, lambda weights: {n: w for n, w in weights.items() if n != name})
    assert refusal(folder) == f"{folder} lacks the weight {name}."


def test_a_checkpoint_without_an_encoder_is_refused(save_distilbert, rewrite):
    _, folder = save_distilbert()
    assert "no DistilBERT or BERT encoder" in refusal(rewrite(folder, renamed("gpt.".__add__)))


@pytest.mark.parametrize(
    "name",
    [
        "transformer.layer.0.attention.distance_embedding.weight",
        "embeddings.token_type_embeddings.weight",
        "transformer.extra.weight",
    ],
)
def test_a_weight_that_the_encoder_has_not_is_refused(save_distilbert, rewrite, name):
    _, folder = save_distilbert()
    message = refusal(rewrite(folder, lambda weights: {**weights, name: torch.ones(2, 32)}))
    assert name in message


@pytest.mark.parametrize(
    "name",
    [
        "embeddings.word_embeddings.weight",
        "embeddings.LayerNorm.weight",
        "transformer.layer.0.attention.q_lin.weight",
        "transformer.layer.1.attention.v_lin.bias",
        "transformer.layer.1.ffn.lin1.weight",
    ],
)
@pytest.mark.parametrize("how", ["longer", "flat", "deep"])
def test_a_weight_of_another_shape_is_refused(save_distilbert, rewrite, name, how):
    change = {
        "longer": lambda weight: torch.cat([weight, weight], dim=-1),
        "flat": lambda weight: weight.flatten()[:3].clone(),
        "deep": lambda weight: weight[None].clone(),
    }[how]
    _, folder = save_distilbert()
    rewrite(folder, lambda weights: {**weights, name: change(weights[name])})
    assert "shape" in refusal(folder)


@pytest.mark.parametrize("shape", [(2, 31), (2, 1), (32,), (0, 32)])
def test_token_types_of_another_shape_are_refused(save_bert, rewrite, shape):
    name = "embeddings.token_type_embeddings.weight"
    _, folder = save_bert()
    rewrite(folder, lambda weights: {**weights, name: torch.zeros(shape)})
    message = refusal(folder)
    assert name in message
    assert "shape" in message


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("save", ["save_bert", "save_distilbert"])
def test_a_weight_that_is_not_finite_is_refused(save, request, rewrite, value):
    _, folder = request.getfixturevalue(save)()

    def change(weights):
        weights["embeddings.position_embeddings.weight"][5, 5] = value
        return weights

    assert "position_embeddings.weight holds values that are not finite" in refusal(
        rewrite(folder, change)
    )


def test_large_weights_load_where_their_sum_is_not_finite(save_distilbert, rewrite):
    _, folder = save_distilbert()
    name = "embeddings.position_embeddings.weight"
    rewrite(folder, lambda weights: {**weights, name: torch.full_like(weights[name], 3e38)})
    weight = load_encoder(folder).position_embeddings.weight
    assert torch.isfinite(weight).all()
    assert not torch.isfinite(weight.sum())


@pytest.mark.parametrize("save", ["save_bert", "save_distilbert"])
def test_a_file_written_over_in_place_does_not_reach_the_model(save, request):
    _, folder = request.getfixturevalue(save)()
    encoder = load_encoder(folder)
    known = encoder.fingerprint()
    path = folder / "model.safetensors"
    with path.open("r+b") as file:
        file.write(b"\x01" * path.stat().st_size)
    assert encoder.fingerprint() == known


def test_bert_weights_under_distilberts_names_load_as_they_are(
    save_bert, save_distilbert, transformers
):
    """The names of the weights tell the architecture; the config tells the sizes."""
    reference, folder = save_bert()
    _, other = save_distilbert()
    (folder / "config.json").write_bytes((other / "config.json").read_bytes())
    assert_equal_to(reference, folder)


@pytest.mark.parametrize(
    "fields",
    [
        {"n_layers": 10**9},
        {"dim": 2**40},
        {"hidden_dim": 2**62},
        {"vocab_size": 2**62},
        {"vocab_size": 10**30},
        {"max_position_embeddings": 10**12, "sinusoidal_pos_embds": True},
    ],
    ids=str,
)
def test_absurd_sizes_are_refused_before_memory_is_taken(save_distilbert, reconfigure, fields):
    _, folder = save_distilbert()
    assert refusal(reconfigure(folder, **fields))
