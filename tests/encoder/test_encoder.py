"""The encoder computes what transformers computes, is frozen, and knows itself by a digest."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from polyhead.batch import Packed, Row
from polyhead.contracts import NO_TAPS
from polyhead.encoder import DistilBertConfig, Encoder, load_encoder
from polyhead.errors import ConfigError, InputError
from polyhead.model import DistilBertModelWithHeads

SIZES = {
    "vocab_size": 20,
    "max_position_embeddings": 10,
    "n_layers": 2,
    "n_heads": 2,
    "dim": 8,
    "hidden_dim": 12,
}

MASKS = {
    "no padding": [[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1]],
    "right": [[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0]],
    "left": [[0, 0, 0, 0, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0, 1]],
    "holes": [[1, 0, 1, 1, 0, 1, 1], [0, 1, 0, 0, 1, 1, 0], [1, 1, 1, 0, 0, 0, 1]],
}


def assert_equal_to(reference, folder, mask, vocab_size=40):
    """Compares hidden states where `mask` is 1."""
    attention_mask = torch.tensor(mask)
    ids = torch.randint(
        vocab_size, attention_mask.shape, generator=torch.Generator().manual_seed(2)
    )
    with torch.no_grad():
        expected = reference(input_ids=ids, attention_mask=attention_mask).last_hidden_state
    model = DistilBertModelWithHeads.from_pretrained(folder)
    found = model(input_ids=ids, attention_mask=attention_mask).last_hidden_state
    kept = attention_mask.bool()
    torch.testing.assert_close(found[kept], expected[kept], atol=1e-5, rtol=0)
    assert not found[~kept].any()


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"dim": 24, "n_heads": 3, "hidden_dim": 50, "n_layers": 1},
        {"dim": 16, "n_heads": 1, "hidden_dim": 8, "n_layers": 4},
    ],
    ids=["4 heads", "3 heads", "1 head"],
)
def test_hidden_states_equal_those_of_transformers(save_distilbert, fields, mask):
    assert_equal_to(*save_distilbert(**fields), mask)


@pytest.mark.parametrize("activation", ["gelu", "relu", "gelu_new", "silu"])
def test_each_activation_is_that_of_transformers(save_distilbert, activation):
    assert_equal_to(*save_distilbert(activation=activation), MASKS["right"])


def test_sinusoidal_positions_are_read_from_the_checkpoint(save_distilbert):
    assert_equal_to(*save_distilbert(sinusoidal_pos_embds=True), MASKS["holes"])


def test_fresh_sinusoidal_positions_equal_those_of_transformers(transformers):
    fields = {**SIZES, "sinusoidal_pos_embds": True}
    theirs = transformers.DistilBertModel(transformers.DistilBertConfig(**fields))
    ours = Encoder(DistilBertConfig(**fields))
    torch.testing.assert_close(
        ours.position_embeddings.weight.data,
        theirs.embeddings.position_embeddings.weight.data,
        atol=1e-6,
        rtol=0,
    )


def test_a_row_of_all_positions_is_computed_as_in_transformers(save_distilbert):
    assert_equal_to(*save_distilbert(), [[1] * 24])


def test_the_layers_are_those_of_transformers(save_distilbert):
    reference, folder = save_distilbert()
    rows = [Row((3, 5, 7, 9)), Row((2, 4))]
    output = load_encoder(folder)(Packed.of(rows), keep_layers=True)
    start = 0
    for row in rows:
        with torch.no_grad():
            expected = reference(torch.tensor([row.ids]), output_hidden_states=True).hidden_states
        assert len(output.layers) == len(expected) == 3
        for ours, theirs in zip(output.layers, expected, strict=True):
            found = ours[start : start + len(row)]
            torch.testing.assert_close(found, theirs[0], atol=1e-5, rtol=0)
        start += len(row)


def test_layers_are_not_kept_unless_asked_for():
    encoder = Encoder(DistilBertConfig(**SIZES))
    assert encoder(Packed.of([Row((1, 2))])).layers is None


def test_attention_weights_are_not_kept_unless_asked_for():
    encoder = Encoder(DistilBertConfig(**SIZES))
    packed = Packed.of([Row((1, 2)), Row((3, 4, 5))])
    assert encoder(packed).attentions is None
    kept = encoder(packed, keep_attentions=True).attentions
    assert [maps.of_row(1).shape for maps in kept] == [(2, 3, 3)] * 2


@pytest.mark.parametrize("keeps", [{}, {"keep_attentions": True}], ids=["plain", "eager"])
def test_no_rows_give_no_hidden_states(keeps):
    encoder = Encoder(DistilBertConfig(**SIZES))
    output = encoder(Packed.of([]), keep_layers=True, **keeps)
    assert output.last.shape == (0, 8)
    for maps in output.attentions or ():
        assert maps.padded([], torch.ones(0, 3, dtype=torch.bool)).shape == (0, 2, 3, 3)


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_layers_above_the_depth_are_not_computed(depth):
    encoder = Encoder(DistilBertConfig(**SIZES, initializer_range=0.2))
    packed = Packed.of([Row((1, 2)), Row((3, 4, 5))])
    whole = encoder(packed, keep_layers=True)
    seen = []
    found = encoder(
        packed,
        lambda number: seen.append(number) or NO_TAPS,
        keep_layers=True,
        keep_attentions=True,
        depth=depth,
    )
    assert seen == list(range(depth))
    assert len(found.attentions) == depth
    assert len(found.layers) == depth + 1
    torch.testing.assert_close(found.last, whole.layers[depth], atol=1e-5, rtol=0)
    for ours, theirs in zip(found.layers, whole.layers, strict=False):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


def test_given_embeddings_stand_in_place_of_words():
    encoder = Encoder(DistilBertConfig(**SIZES, initializer_range=0.2))
    packed = Packed.of([Row((1, 2)), Row((3, 4, 5))])
    words = encoder.word_embeddings(packed.ids)
    given = replace(packed, ids=torch.full((5,), 999), embeds=words)
    assert torch.equal(encoder(given).last, encoder(packed).last)
    with pytest.raises(InputError, match="of width 7 are given, and the encoder has width 8"):
        encoder(replace(packed, embeds=words[:, :7]))


@pytest.mark.parametrize("shape", [(3,), (2, 3), (1, 2), (2, 2, 1)])
def test_a_head_mask_of_another_shape_is_refused(shape):
    encoder = Encoder(DistilBertConfig(**SIZES))
    with pytest.raises(InputError, match=r"head_mask must have the shape \(2,\)") as caught:
        encoder(Packed.of([Row((1, 2))]), head_mask=torch.ones(shape))
    assert f"not {shape}" in str(caught.value)


def test_an_unfrozen_encoder_trains_with_dropout_until_it_is_frozen():
    encoder = Encoder(DistilBertConfig(**SIZES), is_frozen=False)
    packed = Packed.of([Row((1, 2)), Row((3, 4, 5))])
    assert encoder.training
    assert all(weight.requires_grad for weight in encoder.parameters())
    first = encoder(packed).last
    assert not torch.equal(first, encoder(packed).last)
    first.sum().backward()
    assert encoder.word_embeddings.weight.grad is not None
    encoder.eval()
    assert torch.equal(encoder(packed).last, encoder(packed).last)
    encoder.train().freeze()
    assert torch.equal(encoder(packed).last, encoder(packed).last)
    assert not any(weight.requires_grad for weight in encoder.parameters())
    encoder.train()
    assert not encoder.training
    encoder.unfreeze()
    assert encoder.layers[0].training


def test_the_padding_tokens_embedding_is_zero_and_stays_so():
    encoder = Encoder(DistilBertConfig(**SIZES, pad_token_id=3), is_frozen=False)
    assert not encoder.word_embeddings.weight[3].any()
    encoder(Packed.of([Row((1, 3))])).last.pow(2).sum().backward()
    assert not encoder.word_embeddings.weight.grad[3].any()
    for padding in (None, 20):
        fresh = Encoder(DistilBertConfig(**SIZES, pad_token_id=padding))
        assert fresh.word_embeddings.weight.any(dim=1).all()


def test_sizes_that_do_not_go_together_are_refused():
    config = DistilBertConfig(**SIZES)
    config.n_heads = 3
    with pytest.raises(ConfigError, match=r"n_heads \(3\) must divide dim \(8\)"):
        Encoder(config)


def test_the_configuration_is_copied():
    config = DistilBertConfig(**SIZES)
    encoder = Encoder(config)
    config.vocab_size = 3
    assert encoder.config.vocab_size == 20


def test_the_fingerprint_tells_functions_apart_by_name():
    digests = set()
    for activation in ("gelu", functional.gelu, functional.silu, nn.GELU(), nn.GELU("tanh")):
        torch.manual_seed(0)
        digests.add(Encoder(DistilBertConfig(**SIZES, activation=activation)).fingerprint())
    assert len(digests) == 4  # gelu by name and the function of that name are one


@pytest.mark.parametrize("wrong", [20, -1])
def test_a_token_id_outside_the_vocabulary_is_refused(wrong):
    encoder = Encoder(DistilBertConfig(**SIZES))
    with pytest.raises(InputError, match=rf"token id {wrong} is outside the vocabulary, 0 to 19"):
        encoder(Packed.of([Row((1, wrong, 2))]))


def test_a_row_longer_than_the_positions_is_refused():
    encoder = Encoder(DistilBertConfig(**SIZES))
    with pytest.raises(InputError, match="a row of 11 positions is longer than the encoder's 10"):
        encoder(Packed.of([Row(tuple(range(11)))]))


def test_a_position_beyond_the_last_is_refused():
    encoder = Encoder(DistilBertConfig(**SIZES))
    with pytest.raises(InputError, match="a row of 13 positions"):
        encoder(Packed.of([Row((1, 2), positions=(0, 12))]))


def test_no_parameter_takes_a_gradient(save_distilbert):
    _, folder = save_distilbert()
    for encoder in (Encoder(DistilBertConfig(**SIZES)), load_encoder(folder)):
        assert list(encoder.parameters())
        assert not any(weight.requires_grad for weight in encoder.parameters())


def test_it_has_no_training_mode():
    encoder = Encoder(DistilBertConfig(**SIZES))
    encoder.train()
    assert not any(module.training for module in encoder.modules())


def test_the_fingerprint_is_the_same_for_every_file_format(save_distilbert):
    reference, folder = save_distilbert()
    known = load_encoder(folder).fingerprint()
    (folder / "model.safetensors").unlink()
    torch.save(reference.state_dict(), folder / "pytorch_model.bin")
    assert load_encoder(folder).fingerprint() == known


def test_the_fingerprint_tells_one_changed_number(save_distilbert, rewrite):
    _, folder = save_distilbert()
    known = load_encoder(folder).fingerprint()

    def change(weights):
        weights["transformer.layer.1.ffn.lin2.bias"][3] += 1e-6
        return weights

    assert load_encoder(rewrite(folder, change)).fingerprint() != known


@pytest.mark.parametrize(
    "fields", [{"n_heads": 8}, {"activation": "relu"}], ids=["n_heads", "activation"]
)
def test_the_fingerprint_tells_a_changed_constant(save_distilbert, reconfigure, fields):
    _, folder = save_distilbert()
    known = load_encoder(folder).fingerprint()
    assert load_encoder(reconfigure(folder, **fields)).fingerprint() != known


def test_the_fingerprint_of_a_folded_bert_depends_on_its_token_type(save_bert, rewrite):
    _, folder = save_bert()
    known = load_encoder(folder).fingerprint()

    def change(weights, row):
        weights["embeddings.token_type_embeddings.weight"][row] += 1
        return weights

    assert load_encoder(rewrite(folder, lambda w: change(w, 1))).fingerprint() == known
    assert load_encoder(rewrite(folder, lambda w: change(w, 0))).fingerprint() != known
