"""What a call with tensors may ask for besides outputs: layers, attention weights, embeddings."""

import pytest
import torch

from polyhead.errors import InputError

IDS = torch.tensor([[2, 7, 9, 3], [2, 11, 3, 0]])
MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])


@pytest.fixture
def model(tiny_model, two_labels, shake):
    tiny_model.add_adapter("a", "seq_bn[reduction_factor=4]")
    tiny_model.add_head("a", two_labels)
    tiny_model.add_qa_head("qa")
    for number, part in enumerate((*tiny_model.adapters.values(), *tiny_model.heads.values())):
        shake(part, seed=number)
    return tiny_model


def call(model, **arguments):
    return model(**{"input_ids": IDS, "attention_mask": MASK, "head": "a", **arguments})


def assert_close(found, expected):
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_every_layer_is_returned_where_it_is_asked_for(model):
    out = call(model, output_hidden_states=True)
    assert len(out.hidden_states) == model.shape.n_layers + 1
    assert_close(out.hidden_states[-1], out.last_hidden_state)
    assert out.hidden_states[0][1, 3].abs().sum() == 0
    assert call(model).hidden_states is None


def test_attention_weights_add_up_to_one_and_leave_out_padding(model):
    out = call(model, output_attentions=True)
    assert len(out.attentions) == model.shape.n_layers
    for weights in out.attentions:
        assert weights.shape == (2, model.shape.n_heads, 4, 4)
        assert_close(weights.sum(dim=-1)[:, :, :3], torch.ones(2, model.shape.n_heads, 3))
        assert weights[1, :, :, 3].abs().sum() == 0
    assert_close(out.logits, call(model).logits)


def test_the_encoders_own_embeddings_give_what_the_ids_give(model):
    embeds = model.encoder.word_embeddings(IDS)
    found = call(model, input_ids=None, inputs_embeds=embeds)
    assert_close(found.logits, call(model).logits)
    adapters = ["a", None]
    assert_close(
        call(model, input_ids=None, inputs_embeds=embeds, adapter_names=adapters).logits,
        call(model, adapter_names=adapters).logits,
    )


def test_a_mask_of_ones_changes_nothing_and_zeros_take_heads_out(model):
    ones = torch.ones(model.shape.n_layers, model.shape.n_heads)
    assert_close(call(model, head_mask=ones).logits, call(model).logits)
    out = call(model, head_mask=ones * 0)
    assert (out.logits - call(model).logits).abs().max() > 1e-3


def test_positions_of_answers_are_labels_of_a_question_answering_head(model):
    start, end = torch.tensor([1, 1]), torch.tensor([2, 1])
    out = call(model, head="qa", adapter_names=None, start_positions=start, end_positions=end)
    labels = torch.stack([start, end], dim=1)
    assert torch.equal(out.loss, call(model, head="qa", adapter_names=None, labels=labels).loss)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"input_ids": None}, "give one of input_ids and inputs_embeds"),
        ({"inputs_embeds": torch.zeros(2, 4, 32)}, "give one of input_ids and inputs_embeds"),
        ({"input_ids": IDS[:0], "attention_mask": None}, "the batch is empty"),
        ({"start_positions": torch.tensor([0, 0])}, "both, or labels"),
        (
            {"start_positions": torch.tensor([0, 0]), "end_positions": torch.tensor([0])},
            "tensors of one shape",
        ),
        ({"head_mask": torch.ones(7)}, "head_mask"),
        (
            {"input_ids": torch.ones(2, 0, 3).long(), "attention_mask": None},
            "input_ids has no choices",
        ),
        ({"input_ids": IDS.unsqueeze(0)}, "attention_mask must have the dimensions"),
    ],
)
def test_calls_that_do_not_fit_are_refused(model, arguments, part):
    with pytest.raises(InputError, match=part):
        call(model, **arguments)
