"""Multiple choice gives what transformers gives."""

import pytest
import torch

from polyhead.errors import InputError

NAME = "DistilBertForMultipleChoice"
IDS = torch.randint(1, 40, (2, 3, 7), generator=torch.Generator().manual_seed(6))
MASK = torch.tensor(
    [
        [[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0, 0], [1, 0, 1, 1, 0, 0, 0]],
        [[1, 1, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0, 0]],
    ]
)
LABELS = torch.tensor([2, 0])


@pytest.mark.parametrize("mask", [None, MASK], ids=["none", "masked"])
def test_logits_and_loss_equal_those_of_transformers(make_pair, mask):
    theirs, ours = make_pair(NAME)
    with torch.no_grad():
        expected = theirs(IDS, attention_mask=mask, labels=LABELS)
        found = ours(IDS, attention_mask=mask, labels=LABELS)
    torch.testing.assert_close(found.logits, expected.logits, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.loss, expected.loss, atol=1e-5, rtol=1e-5)
    assert found.keys() == ["loss", "logits"]


def test_gradients_equal_those_of_transformers(make_pair):
    theirs, ours = make_pair(NAME)
    for model in (theirs, ours):
        model(IDS, attention_mask=MASK, labels=LABELS).loss.backward()
    expected = theirs.pre_classifier.weight.grad
    torch.testing.assert_close(ours.head.dense[0].weight.grad, expected, atol=1e-5, rtol=1e-4)


def test_embeddings_may_stand_in_place_of_ids(make_pair):
    theirs, ours = make_pair(NAME)
    embeds = torch.randn(2, 3, 7, 32, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        expected = theirs(inputs_embeds=embeds, attention_mask=MASK).logits
        found = ours(inputs_embeds=embeds, attention_mask=MASK).logits
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_parts_of_the_encoder_have_a_row_for_each_choice(make_pair):
    theirs, ours = make_pair(NAME)
    theirs.set_attn_implementation("eager")
    both = {"output_hidden_states": True, "output_attentions": True}
    with torch.no_grad():
        expected = theirs(IDS, **both)
        found = ours(IDS, **both)
    for name in ("hidden_states", "attentions"):
        for mine, other in zip(found[name], expected[name], strict=True):
            torch.testing.assert_close(mine, other, atol=1e-5, rtol=0)


def test_adapters_are_chosen_per_example(make_pair, shake):
    _, ours = make_pair(NAME)
    ours.add_adapter("a")
    shake(ours.adapters["a"])
    mixed = ours(IDS, adapter_names=[None, "a"]).logits
    torch.testing.assert_close(mixed[0], ours(IDS).logits[0])
    torch.testing.assert_close(mixed[1], ours(IDS, adapter_names="a").logits[1])
    assert not torch.allclose(mixed[1], ours(IDS).logits[1], atol=1e-3)
    with pytest.raises(InputError, match="adapter_names has 3 entries for 2 rows"):
        ours(IDS, adapter_names=["a"] * 3)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"input_ids": IDS[0]}, r"input_ids must have the dimensions \(examples, choices, tokens"),
        ({"input_ids": IDS, "attention_mask": MASK[0]}, "attention_mask must have the dimensions"),
        ({"inputs_embeds": torch.ones(2, 7, 32)}, "tokens, width"),
        ({}, "give one of input_ids and inputs_embeds"),
        ({"input_ids": IDS, "labels": torch.tensor([0, 3])}, "the label 3 is not the number of a"),
        ({"input_ids": IDS, "labels": torch.tensor([0])}, "labels of shape"),
        ({"input_ids": IDS[:, :0]}, "input_ids has no choices"),
        ({"input_ids": IDS[:0]}, "the batch is empty"),
        ({"input_ids": [[[1]]]}, r"\(examples, choices, tokens\), not list"),
    ],
    ids=["ids", "mask", "embeddings", "nothing", "range", "rows", "no choices", "empty", "a list"],
)
def test_bad_input_is_refused(make_pair, arguments, part):
    _, ours = make_pair(NAME)
    with pytest.raises(InputError, match=part):
        ours(**arguments)
