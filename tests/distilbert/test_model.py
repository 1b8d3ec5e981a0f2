"""The encoder alone gives what transformers' DistilBertModel gives."""

import pytest
import torch
from torch import nn

from polyhead.distilbert import DistilBertModel
from polyhead.encoder import DistilBertConfig
from polyhead.errors import ConfigError, InputError, UnknownAdapterError

EVERYTHING = {"output_hidden_states": True, "output_attentions": True}


@pytest.mark.parametrize("backends", [("eager", "sdpa"), ("sdpa", "eager"), ("sdpa", "sdpa")])
def test_hidden_states_equal_those_of_transformers(
    make_pair, batch, kept, assert_same_parts, backends
):
    theirs, ours = make_pair("DistilBertModel")
    theirs.set_attn_implementation(backends[0])
    ours.set_attn_implementation(backends[1])
    with torch.no_grad():
        expected = theirs(**batch, output_hidden_states=True)
        found = ours(**batch, output_hidden_states=True)
    is_kept = kept(batch)
    torch.testing.assert_close(
        found.last_hidden_state[is_kept], expected.last_hidden_state[is_kept], atol=1e-5, rtol=0
    )
    assert not found.last_hidden_state[~is_kept].any()
    assert_same_parts(found, expected, batch)


def test_attentions_equal_those_of_transformers(make_pair, batch, assert_same_parts):
    theirs, ours = make_pair("DistilBertModel")
    theirs.set_attn_implementation("eager")
    with torch.no_grad():
        assert_same_parts(ours(**batch, **EVERYTHING), theirs(**batch, **EVERYTHING), batch)


@pytest.mark.parametrize(
    "fields",
    [
        {"activation": "relu"},
        {"activation": "silu"},
        {"activation": "gelu_new"},
        {"sinusoidal_pos_embds": True},
        {"n_heads": 1, "n_layers": 1, "hidden_dim": 5},
    ],
    ids=str,
)
def test_each_documented_constant_has_its_meaning(make_pair, batch, kept, fields):
    theirs, ours = make_pair("DistilBertModel", **fields)
    with torch.no_grad():
        expected, found = theirs(**batch)[0], ours(**batch)[0]
    torch.testing.assert_close(found[kept(batch)], expected[kept(batch)], atol=1e-5, rtol=0)


def test_an_activation_may_be_a_function(make_theirs, tmp_path, batch, kept):
    theirs = make_theirs("DistilBertModel", activation="tanh")
    theirs.save_pretrained(tmp_path)
    ours = DistilBertModel.from_pretrained(tmp_path, activation=torch.tanh)
    assert ours.config.activation is torch.tanh
    with torch.no_grad():
        expected, found = theirs(**batch)[0], ours(**batch)[0]
    torch.testing.assert_close(found[kept(batch)], expected[kept(batch)], atol=1e-5, rtol=0)


def test_embeddings_may_stand_in_place_of_ids(make_pair, batch, kept, assert_same_parts):
    theirs, ours = make_pair("DistilBertModel")
    theirs.set_attn_implementation("eager")
    others = {name: value for name, value in batch.items() if name != "input_ids"}
    embeds = torch.randn(3, 7, 32, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        expected = theirs(inputs_embeds=embeds, **others, **EVERYTHING)
        found = ours(inputs_embeds=embeds, **others, **EVERYTHING)
    assert_same_parts(found, expected, batch)


def test_gradients_reach_given_embeddings(make_pair, batch, kept):
    theirs, ours = make_pair("DistilBertModel")
    others = {name: value for name, value in batch.items() if name != "input_ids"}
    gradients = []
    for model in (theirs, ours):
        embeds = torch.ones(3, 7, 32, requires_grad=True)
        model(inputs_embeds=embeds, **others)[0][kept(batch)].square().sum().backward()
        gradients.append(embeds.grad)
    torch.testing.assert_close(gradients[1], gradients[0], atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("shape", [(3, 7), (1, 7)])
def test_positions_may_be_given(make_pair, batch, kept, shape):
    theirs, ours = make_pair("DistilBertModel")
    places = torch.randint(24, shape, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        expected = theirs(**batch, position_ids=places)[0]
        found = ours(**batch, position_ids=places)[0]
    torch.testing.assert_close(found[kept(batch)], expected[kept(batch)], atol=1e-5, rtol=0)


def test_a_masked_head_is_one_whose_output_is_not_read(make_pair, batch, kept):
    _, ours = make_pair("DistilBertModel")
    mask = torch.tensor([[1.0, 0.0, 1.0, 1.0], [0.5, 1.0, 1.0, 0.0]])
    with torch.no_grad():
        found = ours(**batch, head_mask=mask)[0]
        for layer, factors in zip(ours.encoder.layers, mask, strict=True):
            layer.attention.out.weight *= factors.repeat_interleave(8)
        expected = ours(**batch)[0]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_one_row_of_head_masks_is_for_all_layers(make_pair, batch):
    _, ours = make_pair("DistilBertModel")
    mask = torch.tensor([1, 0, 0, 1])
    with torch.no_grad():
        once = ours(**batch, head_mask=mask, **EVERYTHING)
        each = ours(**batch, head_mask=mask.expand(2, 4), **EVERYTHING)
    assert torch.equal(once[0], each[0])
    assert not once.attentions[1][:, 1:3].any()
    assert once.attentions[1][:, 0].any()


def test_values_are_found_by_name_and_by_place(make_pair, batch):
    _, ours = make_pair("DistilBertModel")
    found = ours(**batch, **EVERYTHING)
    assert found[0] is found.last_hidden_state is found["last_hidden_state"]
    last, states = found[:2]
    assert states is found.hidden_states
    assert last is found[0]
    plain = ours(**batch, **EVERYTHING, return_dict=False)
    assert isinstance(plain, tuple)
    assert len(plain) == 3
    assert torch.equal(plain[0], last)


def test_the_configuration_says_what_is_returned_by_default(make_theirs, tmp_path, batch):
    make_theirs("DistilBertModel").save_pretrained(tmp_path)
    ours = DistilBertModel.from_pretrained(tmp_path, output_attentions=True, return_dict=False)
    assert len(ours(**batch)) == 2
    ours.config.output_hidden_states = True
    assert len(ours(**batch)) == 3
    assert len(ours(**batch, output_attentions=False, output_hidden_states=False)) == 1


def test_arguments_are_understood_in_the_documented_order(make_pair, batch):
    _, ours = make_pair("DistilBertModel")
    mask = batch.get("attention_mask")
    heads = torch.tensor([1, 0, 1, 1])
    found = ours(batch["input_ids"], mask, heads, None, True, True, False)
    named = ours(**batch, head_mask=heads, **EVERYTHING)
    assert len(found) == 3
    assert torch.equal(found[0], named.last_hidden_state)


def test_a_row_does_not_depend_on_the_others(make_pair, batch):
    _, ours = make_pair("DistilBertModel")
    together = ours(**batch, **EVERYTHING)
    for row in range(3):
        one = {name: values[row : row + 1] for name, values in batch.items()}
        alone = ours(**one, **EVERYTHING)
        torch.testing.assert_close(together[0][row], alone[0][0], atol=1e-5, rtol=0)
        for both, only in zip(together.attentions, alone.attentions, strict=True):
            torch.testing.assert_close(both[row], only[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("dropout", "attention_dropout"), [(1.0, 0.0), (0.0, 1.0)], ids=["dropout", "attention"]
)
def test_training_drops_out_where_transformers_does(
    make_pair, batch, kept, dropout, attention_dropout
):
    """With all dropped, what is left is certain."""
    theirs, ours = make_pair(
        "DistilBertModel", dropout=dropout, attention_dropout=attention_dropout
    )
    theirs.set_attn_implementation("eager")
    is_kept = kept(batch)
    for name in ("sdpa", "eager"):
        ours.set_attn_implementation(name)
        found = ours.train()(**batch, output_hidden_states=True).hidden_states
        expected = theirs.train()(**batch, output_hidden_states=True).hidden_states
        for mine, other in zip(found, expected, strict=True):
            torch.testing.assert_close(mine[is_kept], other[is_kept], atol=1e-5, rtol=0)
        in_use = ours.eval()(**batch)[0]
        assert not torch.allclose(in_use[is_kept], found[-1][is_kept], atol=1e-3)


def test_equal_rows_have_dropout_of_their_own(make_pair):
    _, ours = make_pair("DistilBertModel")
    twice = torch.tensor([[5, 6, 7], [5, 6, 7]])
    first, second = ours.train()(twice)[0]
    assert not torch.allclose(first, second, atol=1e-3)
    first, second = ours.eval()(twice)[0]
    assert torch.equal(first, second)


def test_every_weight_takes_the_gradient_that_it_takes_in_transformers(make_pair, batch, kept):
    theirs, ours = make_pair("DistilBertModel")
    for model in (theirs, ours):
        model(**batch)[0][kept(batch)].pow(3).sum().backward()
    expected = {name: weight.grad for name, weight in theirs.named_parameters()}
    encoder = ours.encoder
    for number, layer in enumerate(encoder.layers):
        name = f"transformer.layer.{number}"
        thirds = [expected[f"{name}.attention.{letter}_lin.weight"] for letter in "qkv"]
        qkv = layer.attention.qkv.weight.grad
        torch.testing.assert_close(qkv, torch.cat(thirds), atol=1e-3, rtol=1e-3)
        lin1 = expected[f"{name}.ffn.lin1.weight"]
        torch.testing.assert_close(layer.lin1.weight.grad, lin1, atol=1e-3, rtol=1e-3)
    for name in ("word_embeddings", "position_embeddings"):
        found = getattr(encoder, name).weight.grad
        other = expected[f"embeddings.{name}.weight"]
        torch.testing.assert_close(found, other, atol=1e-3, rtol=1e-3)


def test_sinusoidal_positions_are_never_trained(sizes):
    model = DistilBertModel(DistilBertConfig(**sizes, sinusoidal_pos_embds=True))
    held = [name for name, weight in model.named_parameters() if not weight.requires_grad]
    assert held == ["encoder.position_embeddings.weight"]


def test_a_fresh_model_trains_and_a_loaded_one_is_for_use(make_pair, sizes):
    fresh = DistilBertModel(DistilBertConfig(**sizes))
    assert fresh.training
    assert fresh.encoder.training
    _, loaded = make_pair("DistilBertModel")
    assert not any(module.training for module in loaded.modules())
    assert all(weight.requires_grad for weight in loaded.parameters())


def test_fresh_weights_have_the_documented_spread(sizes):
    torch.manual_seed(0)
    model = DistilBertModel(DistilBertConfig(**sizes, initializer_range=0.5))
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            assert 0.4 < layer.weight.std() < 0.6
            assert not layer.bias.any()
    words = model.get_input_embeddings().weight
    assert not words[0].any()
    assert 0.4 < words[1:].std() < 0.6


def test_adapters_are_chosen_per_row(make_pair, batch, shake):
    _, ours = make_pair("DistilBertModel")
    ours.add_adapter("a")
    ours.add_adapter("b", "par_bn")
    shake(ours.adapters["a"], 1)
    shake(ours.adapters["b"], 2)
    mixed = ours(**batch, adapter_names=["a", None, "b"])[0]
    for row, name in enumerate(["a", None, "b"]):
        whole = ours(**batch, adapter_names=name)[0]
        torch.testing.assert_close(mixed[row], whole[row], atol=1e-5, rtol=0)
    bare = ours(**batch)[0]
    assert torch.equal(bare[1], ours(**batch, adapter_names=None)[0][1])
    assert not torch.allclose(mixed[0], bare[0], atol=1e-3)


def test_an_unknown_adapter_is_refused(make_pair, batch):
    _, ours = make_pair("DistilBertModel")
    ours.add_adapter("sentiment")
    with pytest.raises(UnknownAdapterError, match="Did you mean 'sentiment'"):
        ours(**batch, adapter_names="sentimnt")


IDS = torch.ones(1, 2, dtype=torch.long)
BAD = {
    "nothing": ({}, "give one of input_ids and inputs_embeds"),
    "no rows": ({"input_ids": IDS[:0]}, "the batch is empty"),
    "no embeddings": ({"inputs_embeds": torch.ones(0, 2, 32)}, "the batch is empty"),
    "both": (
        {"input_ids": IDS, "inputs_embeds": torch.ones(1, 2, 32)},
        "give one of input_ids and inputs_embeds",
    ),
    "a list": ({"input_ids": [[1, 2]]}, "input_ids must be a tensor"),
    "choices": ({"input_ids": IDS[None]}, "(rows, tokens)"),
    "floats": ({"input_ids": torch.ones(1, 2)}, "must hold integers"),
    "unknown id": ({"input_ids": torch.tensor([[40]])}, "token id 40 is outside the vocabulary"),
    "too long": ({"input_ids": IDS[:, :1].expand(1, 25)}, "longer than the encoder's 24"),
    "flat embeddings": ({"inputs_embeds": torch.ones(2, 32)}, "(rows, tokens, width)"),
    "narrow embeddings": ({"inputs_embeds": torch.ones(1, 2, 31)}, "of width 31 are given"),
    "empty row": (
        {"input_ids": IDS, "attention_mask": torch.zeros(1, 2)},
        "row 0 of the batch has no token",
    ),
    "head mask": (
        {"input_ids": IDS, "head_mask": torch.ones(3)},
        "head_mask must have the shape (4,)",
    ),
    "a list of heads": (
        {"input_ids": IDS, "head_mask": [1, 1, 1, 1]},
        "row for each layer, not list",
    ),
    "a list of positions": (
        {"input_ids": IDS, "position_ids": [[0, 1]]},
        "position_ids must be a tensor, not list",
    ),
    "positions": (
        {"input_ids": IDS, "position_ids": torch.ones(2, 2)},
        "position_ids must be whole numbers",
    ),
    "negative position": (
        {"input_ids": IDS, "position_ids": torch.tensor([[0, -1]])},
        "position_ids must be whole numbers from 0",
    ),
    "high position": (
        {"input_ids": IDS, "position_ids": torch.tensor([[0, 24]])},
        "longer than the encoder's 24",
    ),
    "adapters": (
        {"input_ids": IDS, "adapter_names": ["a", "b"]},
        "adapter_names has 2 entries for 1 rows",
    ),
}


@pytest.mark.parametrize(("arguments", "part"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_with_one_sentence(sizes, arguments, part):
    model = DistilBertModel(DistilBertConfig(**sizes)).eval()
    with pytest.raises(InputError) as caught:
        model(**arguments)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_is_not_a_configuration():
    with pytest.raises(ConfigError, match="use from_pretrained for checkpoints"):
        DistilBertModel("some/folder")
