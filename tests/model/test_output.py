"""What a call returns is read in one way only where there is one."""

from types import SimpleNamespace

import pytest
import torch

from polyhead.batch import Hidden, Packing
from polyhead.contracts import Head
from polyhead.encoder import EncoderOutput
from polyhead.errors import InputError
from polyhead.model import ModelOutput
from polyhead.model.padded import EncodedBatch

HIDDEN = Hidden.of_rows(torch.arange(6.0).view(3, 2), Packing((2, 1)))
MASK = torch.tensor([[False, True, True], [True, False, False]])


def a_head(answers="row"):
    """As far as an output looks at one."""
    return SimpleNamespace(
        answers=answers, kind="any", logits=lambda output: Head.logits(a_head(), output)
    )


def output(heads, outputs, losses=None, answers="row"):
    modules = {name: a_head(answers) for name in heads if name is not None}
    encoded = EncodedBatch(HIDDEN, MASK, EncoderOutput(HIDDEN.batch, None))
    return ModelOutput(encoded, heads, modules, outputs, losses or {})


def test_hidden_states_are_padded_as_the_input_was():
    assert output((None, None), {}).last_hidden_state.tolist() == [
        [[0, 0], [0, 1], [2, 3]],
        [[4, 5], [0, 0], [0, 0]],
    ]


def test_logits_are_those_of_the_one_head():
    logits = torch.ones(2, 3)
    assert output(("a", "a"), {"a": logits}).logits is logits


@pytest.mark.parametrize("heads", [("a", "b"), ("a", None), (None, None)])
def test_logits_are_refused_for_mixed_heads(heads):
    outputs = {name: torch.ones(1, 3) for name in heads if name}
    with pytest.raises(InputError, match=r"read \.outputs\[head\] or \.rows"):
        _ = output(heads, outputs).logits


def test_logits_are_refused_where_an_output_has_parts():
    parts = {"start": torch.ones(2, 3), "end": torch.ones(2, 3)}
    with pytest.raises(InputError, match=r"several parts: start, end; read \.outputs"):
        _ = output(("a", "a"), {"a": parts}).logits


def test_rows_are_in_the_order_of_the_batch():
    found = output(("b", "a"), {"a": torch.tensor([[1.0]]), "b": torch.tensor([[2.0, 3.0]])}).rows
    assert [row.tolist() for row in found] == [[2.0, 3.0], [1.0]]


def test_rows_of_an_output_with_parts_have_these_parts():
    parts = {"start": torch.tensor([[1.0], [2.0]]), "end": torch.tensor([[3.0], [4.0]])}
    found = output(("a", "a"), {"a": parts}).rows
    assert [{part: value.item() for part, value in row.items()} for row in found] == [
        {"start": 1.0, "end": 3.0},
        {"start": 2.0, "end": 4.0},
    ]


def test_logits_of_every_token_are_padded_as_the_input_was():
    logits = torch.tensor([[1.0], [2.0], [3.0]])
    found = output(("a", "a"), {"a": logits}, answers="token")
    assert found.logits.tolist() == [[[0.0], [1.0], [2.0]], [[3.0], [0.0], [0.0]]]
    assert [row.tolist() for row in found.rows] == [[[1.0], [2.0]], [[3.0]]]


def test_values_are_read_by_their_place_as_in_a_tuple():
    logits, loss = torch.ones(2, 3), torch.tensor(1.0)
    found = output(("a", "a"), {"a": logits}, {"a": loss})
    assert found[0] == loss
    assert found[1] is logits
    assert found[:2] == found.to_tuple()
    assert output(("a", "a"), {"a": logits})[0] is logits
    parts = {"start": torch.ones(2, 3), "end": torch.zeros(2, 3)}
    assert output(("a", "a"), {"a": parts}).to_tuple() == tuple(parts.values())
    bare = output((None, None), {})
    assert torch.equal(bare[0], bare.last_hidden_state)
    with pytest.raises(IndexError):
        bare[1]
    with pytest.raises(InputError, match="different heads"):
        output(("a", "b"), {"a": logits[:1], "b": logits[1:]})[0]


def test_the_loss_is_the_sum_of_the_heads_losses():
    losses = {"a": torch.tensor(1.0), "b": torch.tensor(0.5)}
    assert output(("a", "b"), {}, losses).loss.item() == 1.5
    assert output(("a", "b"), {}).loss is None
