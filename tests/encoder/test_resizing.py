"""Positions and token ids may become more or fewer."""

import pytest
import torch

from polyhead.batch import Packed, Row
from polyhead.encoder import DistilBertConfig, Encoder
from polyhead.encoder.resizing import resize_positions, resize_words, resized_rows

SIZES = {
    "vocab_size": 20,
    "max_position_embeddings": 10,
    "n_layers": 1,
    "n_heads": 2,
    "dim": 8,
    "hidden_dim": 12,
}
PACKED = Packed.of([Row((1, 5, 3)), Row((2,))])


@pytest.mark.parametrize("is_frozen", [True, False])
def test_what_stays_is_computed_as_before(is_frozen):
    encoder = Encoder(DistilBertConfig(**SIZES), is_frozen=is_frozen).eval()
    known = encoder(PACKED).last
    for number in (30, 6):
        resize_positions(encoder, number)
        resize_words(encoder, number)
        assert torch.equal(encoder(PACKED).last, known)
        assert {weight.requires_grad for weight in encoder.parameters()} == {not is_frozen}
        assert not encoder.word_embeddings.training
    assert encoder.word_embeddings.padding_idx == 0


def test_new_rows_have_the_spread_asked_for_and_a_memory_of_their_own():
    weight = torch.ones(3, 1000)
    found = resized_rows(weight, 5, 0.5)
    assert torch.equal(found[:3], weight)
    assert 0.4 < found[3:].std() < 0.6
    found += 1
    assert torch.equal(weight, torch.ones(3, 1000))
    assert torch.equal(resized_rows(torch.ones(3), 5, 0.0), torch.tensor([1.0, 1, 1, 0, 0]))
