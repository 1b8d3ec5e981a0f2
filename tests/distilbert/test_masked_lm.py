"""The masked language model gives what transformers gives, tied or not."""

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from polyhead.distilbert import DistilBertForMaskedLM
from polyhead.encoder import DistilBertConfig
from polyhead.errors import ConfigError, InputError

NAME = "DistilBertForMaskedLM"
LABELS = torch.randint(-20, 40, (3, 7), generator=torch.Generator().manual_seed(7))
LABELS[LABELS < 0] = -100


def tied(model):
    return model.get_output_embeddings().weight is model.get_input_embeddings().weight


@pytest.mark.parametrize("fields", [{}, {"tie_word_embeddings": False}, {"activation": "relu"}])
def test_logits_and_loss_equal_those_of_transformers(make_pair, batch, kept, fields):
    theirs, ours = make_pair(NAME, **fields)
    is_kept = kept(batch)
    labels = LABELS.where(is_kept, -100)
    with torch.no_grad():
        expected = theirs(**batch, labels=labels)
        found = ours(**batch, labels=labels)
    torch.testing.assert_close(found.logits[is_kept], expected.logits[is_kept], atol=1e-5, rtol=0)
    torch.testing.assert_close(found.loss, expected.loss, atol=1e-5, rtol=1e-5)
    assert not found.logits[~is_kept].any()
    assert tied(ours) == tied(theirs)


def test_gradients_equal_those_of_transformers(make_pair, batch, kept):
    theirs, ours = make_pair(NAME)
    for model in (theirs, ours):
        model(**batch, labels=LABELS.where(kept(batch), -100)).loss.backward()
    words = theirs.get_input_embeddings().weight.grad
    torch.testing.assert_close(ours.get_input_embeddings().weight.grad, words, atol=1e-4, rtol=1e-4)
    bias = theirs.vocab_projector.bias.grad
    torch.testing.assert_close(ours.get_output_embeddings().bias.grad, bias, atol=1e-5, rtol=1e-4)


def test_labels_of_masked_places_are_passed_over(make_pair, batch, kept):
    _, ours = make_pair(NAME)
    only = ours(**batch, labels=LABELS.where(kept(batch), -100)).loss
    assert torch.equal(ours(**batch, labels=LABELS).loss, only)


def test_parts_of_the_encoder_equal_those_of_transformers(make_pair, batch, assert_same_parts):
    theirs, ours = make_pair(NAME)
    theirs.set_attn_implementation("eager")
    both = {"output_hidden_states": True, "output_attentions": True}
    with torch.no_grad():
        assert_same_parts(ours(**batch, **both), theirs(**batch, **both), batch)


def test_an_activation_may_be_a_function(make_theirs, tmp_path, batch, kept):
    theirs = make_theirs(NAME, activation="tanh")
    theirs.save_pretrained(tmp_path)
    ours = DistilBertForMaskedLM.from_pretrained(tmp_path, activation=torch.tanh)
    with torch.no_grad():
        expected, found = theirs(**batch).logits, ours(**batch).logits
    torch.testing.assert_close(found[kept(batch)], expected[kept(batch)], atol=1e-5, rtol=0)


@pytest.mark.parametrize("is_tied", [True, False])
def test_a_matrix_that_is_tied_is_saved_once(make_pair, transformers, tmp_path, batch, is_tied):
    _, ours = make_pair(NAME, tie_word_embeddings=is_tied)
    ours.save_pretrained(tmp_path / "ours")
    saved = load_file(tmp_path / "ours" / "model.safetensors")
    assert ("vocab_projector.weight" in saved) == (not is_tied)
    again = DistilBertForMaskedLM.from_pretrained(tmp_path / "ours")
    assert tied(again) == is_tied
    theirs = transformers.DistilBertForMaskedLM.from_pretrained(tmp_path / "ours").eval()
    with torch.no_grad():
        found = ours(**batch).logits
        assert torch.equal(again(**batch).logits, found)
        expected = theirs(batch["input_ids"]).logits
    unmasked = ours(batch["input_ids"]).logits
    torch.testing.assert_close(unmasked, expected, atol=1e-5, rtol=0)


def test_the_tie_holds_through_changes_of_type(make_pair):
    _, ours = make_pair(NAME)
    ours.double()
    assert tied(ours)
    assert ours.get_output_embeddings().bias is ours.head.bias
    assert ours.get_output_embeddings().weight.dtype is torch.float64


def test_other_output_embeddings_are_not_tied(make_pair, batch, tmp_path):
    _, ours = make_pair(NAME)
    projector = nn.Linear(32, 40)
    ours.set_output_embeddings(projector)
    assert ours.get_output_embeddings() is projector
    assert not ours.config.tie_word_embeddings
    hidden = ours.distilbert(**batch)[0][0, :1]
    state = ours.head.norm(ours.head.activation(ours.head.dense(hidden)))
    torch.testing.assert_close(ours(**batch).logits[0, :1], projector(state))
    ours.save_pretrained(tmp_path / "ours")
    again = DistilBertForMaskedLM.from_pretrained(tmp_path / "ours")
    assert torch.equal(again(**batch).logits, ours(**batch).logits)


def test_output_embeddings_of_other_sizes_are_refused(make_pair):
    _, ours = make_pair(NAME)
    for projector in (nn.Linear(31, 40), nn.Linear(32, 41), nn.Linear(32, 40, bias=False)):
        with pytest.raises(ConfigError, match=r"a bias and a weight of \(40, 32\)"):
            ours.set_output_embeddings(projector)


@pytest.mark.parametrize("is_tied", [True, False])
@pytest.mark.parametrize("number", [45, 30])
def test_the_output_follows_another_vocabulary(make_pair, tmp_path, number, is_tied):
    _, ours = make_pair(NAME, tie_word_embeddings=is_tied)
    ids = torch.tensor([[1, 5, 9, 29]])
    known = ours(ids).logits
    embeddings = ours.resize_token_embeddings(number)
    assert embeddings is ours.get_input_embeddings()
    assert tied(ours) == is_tied
    found = ours(ids, labels=ids)
    assert found.logits.shape == (1, 4, number)
    torch.testing.assert_close(found.logits[..., :30], known[..., :30])
    ours.save_pretrained(tmp_path / "ours")
    again = DistilBertForMaskedLM.from_pretrained(tmp_path / "ours")
    assert again.config.vocab_size == number
    assert torch.equal(again(ids).logits, found.logits)
    if number > 40:
        assert ours(torch.tensor([[44]]), labels=torch.tensor([[44]])).loss > 0


def test_other_input_embeddings_change_a_tied_output(make_pair):
    _, ours = make_pair(NAME)
    ours.set_input_embeddings(nn.Embedding(50, 32))
    assert tied(ours)
    assert ours(torch.tensor([[49]])).logits.shape == (1, 1, 50)


def test_labels_that_are_no_token_ids_are_refused(make_pair, batch):
    _, ours = make_pair(NAME)
    with pytest.raises(InputError, match="the label 40 is neither -100 nor a token id, 0 to 39"):
        ours(**batch, labels=torch.full((3, 7), 40))


def test_a_fresh_one_is_tied_too(sizes):
    assert tied(DistilBertForMaskedLM(DistilBertConfig(**sizes)))
    apart = DistilBertForMaskedLM(DistilBertConfig(**sizes, tie_word_embeddings=False))
    assert not tied(apart)
    apart(torch.tensor([[1, 2]]), labels=torch.tensor([[1, 2]])).loss.backward()
    assert apart.get_output_embeddings().weight.grad.any()


def test_a_berts_language_model_is_read_exactly(transformers, tmp_path):
    config = transformers.BertConfig(
        vocab_size=40,
        max_position_embeddings=24,
        hidden_size=32,
        num_attention_heads=4,
        intermediate_size=48,
        num_hidden_layers=2,
        layer_norm_eps=1e-3,
    )
    theirs = transformers.BertForMaskedLM(config).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in theirs.parameters():
            weight.normal_(0.5, 0.2, generator=generator)
    theirs.save_pretrained(tmp_path)
    ours = DistilBertForMaskedLM.from_pretrained(tmp_path)
    ids = torch.tensor([[1, 5, 9, 29]])
    with torch.no_grad():
        torch.testing.assert_close(ours(ids).logits, theirs(ids).logits, atol=1e-4, rtol=0)
