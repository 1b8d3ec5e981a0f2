"""Calls with tensors: any adapters and heads, for all rows or row by row."""

import pytest
import torch

from polyhead.batch import Row
from polyhead.errors import InputError, UnknownAdapterError, UnknownHeadError
from polyhead.model import UNSET, DistilBertModelWithHeads, HeadCall

IDS = torch.tensor([[2, 7, 9, 3], [2, 11, 3, 0], [2, 8, 3, 0]])
MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 1, 0]])


@pytest.fixture
def model(tiny_model, two_labels, three_labels, shake):
    """Adapters mood and legal; head mood (with mood's adapter), topic (with legal), raw (bare)."""
    tiny_model.add_adapter("mood", "seq_bn[reduction_factor=4]")
    tiny_model.add_adapter("legal", "double_seq_bn[reduction_factor=4]")
    tiny_model.add_head("mood", two_labels)
    tiny_model.add_head("topic", three_labels, adapter="legal")
    tiny_model.add_head("raw", two_labels, adapter=None)
    for number, part in enumerate((*tiny_model.adapters.values(), *tiny_model.heads.values())):
        shake(part, seed=number)
    return tiny_model


def call(model, **arguments):
    return model(input_ids=IDS, attention_mask=MASK, **arguments)


def alone(model, row, adapter, head):
    """One row's output, without the other rows and without padding."""
    ids = IDS[row : row + 1, : int(MASK[row].sum())]
    return model(input_ids=ids, adapter_names=adapter, head=head)


def assert_close(found, expected):
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("head", "own"), [("mood", "mood"), ("topic", "legal"), ("raw", None)])
def test_a_head_uses_its_own_adapter_when_none_is_named(model, head, own):
    assert torch.equal(
        call(model, head=head).logits, call(model, head=head, adapter_names=own).logits
    )
    assert torch.equal(
        call(model, head=head, adapter_names=UNSET).logits, call(model, head=head).logits
    )


def test_none_means_the_bare_encoder(model):
    bare = call(model, head=None, adapter_names=None).last_hidden_state
    assert_close(call(model, head="mood", adapter_names=None).last_hidden_state, bare)
    assert (call(model, head="mood").last_hidden_state - bare).abs().max() > 0.01


def test_a_named_adapter_stands_in_for_the_heads_own(model):
    expected = call(model, head=None, adapter_names="legal").last_hidden_state
    assert_close(call(model, head="mood", adapter_names="legal").last_hidden_state, expected)


def test_each_row_has_its_adapter_and_head(model):
    adapters = ["legal", None, "mood"]
    heads = ["mood", "topic", "mood"]
    output = call(model, adapter_names=adapters, head=heads)
    for row in range(3):
        expected = alone(model, row, adapters[row], heads[row])
        assert_close(output.rows[row], expected.logits[0])
    assert output.outputs.keys() == {"mood", "topic"}
    assert_close(output.outputs["mood"], torch.stack([output.rows[0], output.rows[2]]))
    assert_close(output.outputs["topic"], output.rows[1].unsqueeze(0))


def test_rows_use_their_own_heads_adapters_when_none_is_named(model):
    heads = ["raw", "topic", "mood"]
    output = call(model, head=heads)
    for row, own in enumerate([None, "legal", "mood"]):
        assert_close(output.rows[row], alone(model, row, own, heads[row]).logits[0])


def test_one_head_for_all_with_adapters_row_by_row(model):
    output = call(model, head="topic", adapter_names=["legal", "mood", None])
    assert output.logits.shape == (3, 3)
    for row, adapter in enumerate(["legal", "mood", None]):
        assert_close(output.logits[row], alone(model, row, adapter, "topic").logits[0])


def test_rows_without_head_give_hidden_states_alone(model):
    output = call(model, head=[None, "topic", None])
    assert output.rows[0] is None
    assert output.rows[2] is None
    assert output.rows[1].shape == (3,)
    bare = call(model, head=None)
    assert bare.outputs == {}
    assert bare.rows == (None, None, None)
    assert_close(output.last_hidden_state[0], bare.last_hidden_state[0])


def test_tuples_stand_for_lists(model):
    expected = call(model, head=["raw", "topic", "mood"], adapter_names=[None, "mood", None])
    found = call(model, head=("raw", "topic", "mood"), adapter_names=(None, "mood", None))
    assert torch.equal(found.last_hidden_state, expected.last_hidden_state)


def test_the_only_head_need_not_be_named(make_model, two_labels):
    model = make_model()
    assert call(model).outputs == {}
    model.add_head("mood", two_labels, adapter=None)
    assert call(model).outputs.keys() == {"mood"}


def test_one_of_several_heads_must_be_named(model):
    with pytest.raises(
        InputError, match="several heads, 'mood', 'raw', 'topic'; name one with head"
    ):
        call(model)


def test_hidden_states_are_zero_where_the_mask_is(model):
    for places in ([[0, 1, 1, 1], [1, 0, 0, 1], [0, 0, 1, 0]], [[1, 1, 1, 1]] * 3):
        mask = torch.tensor(places)
        hidden = model(input_ids=IDS, attention_mask=mask, head="topic").last_hidden_state
        assert hidden.shape == (3, 4, 32)
        assert not hidden[mask == 0].any()
        assert hidden[mask == 1].any(dim=1).all()


def test_without_mask_every_token_counts(model):
    ones = torch.ones_like(IDS)
    expected = model(input_ids=IDS, attention_mask=ones, head="topic").logits
    assert torch.equal(model(input_ids=IDS, head="topic").logits, expected)


def test_inputs_may_be_positional_and_of_other_integers(model):
    expected = call(model, head="mood").logits
    assert torch.equal(model(IDS, MASK, head="mood").logits, expected)
    for dtype in (torch.bool, torch.float32, torch.int32):
        assert torch.equal(model(IDS.int(), MASK.to(dtype), head="mood").logits, expected)


def test_unknown_names_are_refused_with_what_there_is(model):
    with pytest.raises(UnknownHeadError) as caught:
        call(model, head="moood")
    assert str(caught.value) == (
        "no head 'moood'; this model has: 'mood', 'raw', 'topic'. Did you mean 'mood'? "
        "Add one with model.add_head(name, config)."
    )
    with pytest.raises(UnknownAdapterError) as caught:
        call(model, head="mood", adapter_names=["mood", "nil", None])
    assert str(caught.value) == (
        "no adapter 'nil'; this model has: 'legal', 'mood'. "
        "Add one with model.add_adapter(name, config)."
    )
    assert caught.value.name == "nil"
    assert caught.value.known == ["legal", "mood"]


def test_a_head_without_its_adapter_says_what_to_do(model):
    model.delete_adapter("mood")
    with pytest.raises(
        UnknownAdapterError, match=r"pass adapter_names=\.\.\., None for the bare"
    ) as caught:
        call(model, head="mood")
    assert "this model has: 'legal'" in str(caught.value)
    call(model, head="mood", adapter_names=None)


@pytest.mark.parametrize(
    "arguments",
    [{"adapter_name": "mood"}, {"heads": "mood"}, {"token_type_ids": MASK}, {"task": "mood"}],
    ids=str,
)
def test_unknown_keyword_arguments_are_type_errors(model, arguments):
    with pytest.raises(TypeError, match=next(iter(arguments))):
        call(model, **arguments)


@pytest.mark.parametrize("argument", ["head", "adapter_names"])
@pytest.mark.parametrize(
    ("value", "part"),
    [
        (["mood"], "has 1 entries for 3 rows"),
        (["mood"] * 4, "has 4 entries for 3 rows"),
        ([], "has 0 entries for 3 rows"),
        (3, "None, or a list of them with one a row, not int"),
        ({"mood"}, "not set"),
        ({"mood": 1}, "not dict"),
        (["mood", 3, None], "not a list with int"),
        ([["mood"], ["mood"], ["mood"]], "not a list with list"),
        ([UNSET, "mood", None], "not a list with Unset"),
        (b"mood", "not bytes"),
    ],
    ids=str,
)
def test_names_of_another_form_are_refused(model, argument, value, part):
    arguments = {"head": "mood", argument: value}
    with pytest.raises(InputError) as caught:
        call(model, **arguments)
    assert str(caught.value).startswith(argument)
    assert part in str(caught.value)


def test_a_batch_without_rows_is_refused(model):
    with pytest.raises(InputError, match="the batch is empty: its tensors have no rows"):
        model(input_ids=torch.empty(0, 4, dtype=torch.long), head="mood")


def test_the_call_leaves_no_trace_in_the_model(model):
    before = set(vars(model)) | {name for part in model.modules() for name in vars(part)}
    call(model, head="mood")
    assert set(vars(model)) | {name for part in model.modules() for name in vars(part)} == before


def test_gradients_reach_the_used_adapter_and_head_alone(model):
    call(model, head="mood", labels=torch.tensor([0, 1, 0])).loss.backward()
    used = {*model.adapters["mood"].parameters(), *model.heads["mood"].parameters()}
    assert all(weight.grad is not None and weight.grad.any() for weight in used)
    others = set(model.parameters()) - used
    assert all(weight.grad is None for weight in others)


def test_compute_runs_calls_of_any_heads_in_one_pass(model):
    rows = [Row((2, 7, 9, 3)), Row((2, 11, 3)), Row((2, 7, 9, 3))]
    passes = []
    model.encoder.register_forward_hook(lambda *_: passes.append(1))
    outputs = model.compute(
        [
            HeadCall("mood", tuple(rows[:2]), ("mood", None)),
            HeadCall("topic", tuple(rows[2:]), ("legal",)),
            HeadCall("mood", tuple(rows[2:]), ("mood",)),
        ]
    )
    assert len(passes) == 1
    assert [output.shape for output in outputs] == [(2, 2), (1, 3), (1, 2)]
    assert_close(outputs[0][0], alone(model, 0, "mood", "mood").logits[0])
    assert_close(outputs[0][1], alone(model, 1, None, "mood").logits[0])
    assert_close(outputs[1][0], alone(model, 0, "legal", "topic").logits[0])
    assert_close(outputs[2][0], outputs[0][0])


def test_compute_of_nothing_is_nothing(model):
    assert model.compute([]) == []
    assert model.compute([HeadCall("mood", (), ())])[0].shape == (0, 2)


def test_rows_asked_for_twice_are_computed_once(model):
    seen = []
    model.encoder.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0].ids))
    row = Row((2, 7, 9, 3))
    model.compute([HeadCall("mood", (row, row), ("mood",) * 2), HeadCall("raw", (row,), ("mood",))])
    assert len(seen[0]) == 4


def test_the_model_runs_in_double_precision(model):
    single = call(model, head="mood").logits
    model.to(torch.float64)
    double = call(model, head="mood").logits
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), single, atol=1e-5, rtol=0)
    model.add_adapter("late", "seq_bn")
    model.add_head("late", model.heads["mood"].config)
    assert call(model, head="late", labels=torch.tensor([0, 1, 0])).loss.isfinite()
    assert call(model, head="late").logits.dtype == torch.float64


def test_a_model_of_random_weights_can_be_made(tiny_tokenizer, make_model):
    config = make_model().encoder.config
    model = DistilBertModelWithHeads.from_config(config)
    assert model.tokenizer is None
    assert model.backbone.name == "random"
    assert model.shape == config.shape
