"""Question answering gives what transformers gives, and leaves padding out of the loss."""

import pytest
import torch
from torch.nn import functional

from polyhead.distilbert import DistilBertForQuestionAnswering
from polyhead.encoder import DistilBertConfig
from polyhead.errors import ConfigError, InputError

NAME = "DistilBertForQuestionAnswering"
START, END = torch.tensor([2, 0, 0]), torch.tensor([3, 1, 0])


def without_padding(logits, is_kept, positions):
    """transformers' loss, over the places that are not masked."""
    logits = logits.masked_fill(~is_kept, -torch.inf)
    return functional.cross_entropy(logits, positions.clamp(0, 7), ignore_index=7)


def test_logits_equal_those_of_transformers(make_pair, batch, kept):
    theirs, ours = make_pair(NAME)
    is_kept = kept(batch)
    with torch.no_grad():
        expected, found = theirs(**batch), ours(**batch)
    for part in ("start_logits", "end_logits"):
        mine, other = found[part], expected[part]
        torch.testing.assert_close(mine[is_kept], other[is_kept], atol=1e-5, rtol=0)
        assert (mine[~is_kept] == -torch.inf).all()


def test_the_loss_is_that_of_transformers_without_padding(make_pair, batch, kept):
    theirs, ours = make_pair(NAME)
    positions = {"start_positions": START, "end_positions": END}
    with torch.no_grad():
        expected = theirs(**batch, **positions)
        found = ours(**batch, **positions)
    is_kept = kept(batch)
    both = [
        without_padding(logits, is_kept, columns)
        for logits, columns in ((expected.start_logits, START), (expected.end_logits, END))
    ]
    torch.testing.assert_close(found.loss, torch.stack(both).mean(), atol=1e-5, rtol=1e-5)
    if is_kept.all():
        torch.testing.assert_close(found.loss, expected.loss, atol=1e-5, rtol=1e-5)


def test_positions_behind_the_batch_are_passed_over(make_pair, batch):
    theirs, ours = make_pair(NAME)
    unmasked = {"input_ids": batch["input_ids"]}
    positions = {
        "start_positions": torch.tensor([2, 7, 99]),
        "end_positions": torch.tensor([[3], [1], [8]]).squeeze(1),
    }
    with torch.no_grad():
        expected = theirs(**unmasked, **positions).loss
        found = ours(**unmasked, **positions).loss
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    nowhere = torch.tensor([7, 7, 7])
    assert ours(**unmasked, start_positions=nowhere, end_positions=nowhere).loss == 0


def test_positions_may_stand_in_a_column(make_pair, batch):
    _, ours = make_pair(NAME)
    flat = ours(**batch, start_positions=START, end_positions=END).loss
    column = ours(**batch, start_positions=START[:, None], end_positions=END[:, None]).loss
    assert torch.equal(flat, column)


def test_a_loss_needs_both_positions(make_pair, batch):
    _, ours = make_pair(NAME)
    assert ours(**batch, start_positions=START).loss is None
    found = ours(**batch, start_positions=START, end_positions=END)
    assert found.keys() == ["loss", "start_logits", "end_logits"]
    assert found[2] is found.end_logits


def test_parts_of_the_encoder_equal_those_of_transformers(make_pair, batch, assert_same_parts):
    theirs, ours = make_pair(NAME)
    theirs.set_attn_implementation("eager")
    both = {"output_hidden_states": True, "output_attentions": True}
    with torch.no_grad():
        assert_same_parts(ours(**batch, **both), theirs(**batch, **both), batch)


def test_the_head_has_its_own_dropout(make_pair):
    _, ours = make_pair(NAME, qa_dropout=0.3)
    assert ours.head.config.dropout == 0.3


def test_other_numbers_of_labels_are_refused(sizes):
    with pytest.raises(ConfigError, match="has 2 labels, the start and the end, not 3"):
        DistilBertForQuestionAnswering(DistilBertConfig(**sizes, num_labels=3))


@pytest.mark.parametrize(
    ("start", "end", "part"),
    [
        ([2, 0, 0], END, "start_positions must be a tensor, not list"),
        (START, END[:2], "must have one shape"),
        (START[:2], END[:2], "do not fit a batch of 3 rows"),
        (START.float(), END.float(), "must be whole numbers"),
        (torch.tensor([-1, 0, 0]), END, "the position -1 is below 0"),
    ],
    ids=["a list", "shapes", "rows", "type", "range"],
)
def test_positions_that_do_not_fit_are_refused(make_pair, batch, start, end, part):
    _, ours = make_pair(NAME)
    with pytest.raises(InputError, match=part):
        ours(**batch, start_positions=start, end_positions=end)
