"""The encoder computes what transformers computes, is frozen, and knows itself by a digest."""

import pytest
import torch

from polyhead.batch import Packed, Row
from polyhead.encoder import DistilBertConfig, Encoder, load_encoder
from polyhead.errors import InputError
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


def test_no_rows_give_no_hidden_states():
    encoder = Encoder(DistilBertConfig(**SIZES))
    assert encoder(Packed.of([])).last.shape == (0, 8)


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
