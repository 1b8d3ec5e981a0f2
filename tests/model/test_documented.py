"""What the documents of AdapterHub show works under the names they use."""

import pytest
import torch

from polyhead.errors import ConfigError, NameTakenError, UnknownAdapterError

IDS = torch.tensor([[2, 7, 9, 3], [2, 11, 8, 3]])


@pytest.fixture
def model(tiny_model):
    tiny_model.add_adapter("a", "seq_bn[reduction_factor=4]")
    tiny_model.add_adapter("b", "seq_bn[reduction_factor=4]")
    return tiny_model


@pytest.mark.parametrize(
    ("add", "fields", "kind", "shape"),
    [
        ("add_classification_head", {"num_labels": 3}, "classification", (2, 3)),
        ("add_classification_head", {"num_labels": 1}, "regression", (2, 1)),
        ("add_classification_head", {"multilabel": True}, "multilabel", (2, 2)),
        ("add_tagging_head", {"num_labels": 5}, "tagging", (2, 4, 5)),
        ("add_multiple_choice_head", {"num_choices": 2}, "multiple_choice", (1, 2)),
        ("add_masked_lm_head", {}, "masked_lm", (2, 4, 100)),
    ],
)
def test_heads_are_added_by_their_documented_methods(model, add, fields, kind, shape):
    getattr(model, add)("a", **fields)
    assert model.heads["a"].kind == kind
    ids = IDS.unsqueeze(0) if kind == "multiple_choice" else IDS
    assert model(input_ids=ids, head="a", adapter_names="a").logits.shape == shape


def test_a_question_answering_head_gives_start_and_end(model):
    model.add_qa_head("a")
    output = model(input_ids=IDS, head="a").outputs["a"]
    assert {part: tuple(values.shape) for part, values in output.items()} == {
        "start": (2, 4),
        "end": (2, 4),
    }


def test_labels_have_the_names_that_are_given(model):
    model.add_classification_head("a", num_labels=2, id2label={0: "bad", 1: "good"})
    assert model.heads["a"].config.labels == ("bad", "good")
    model.add_tagging_head("b", num_labels=2)
    assert model.heads["b"].config.labels == ("LABEL_0", "LABEL_1")


def test_defaults_are_those_of_the_adapters_library(model):
    model.add_classification_head("a")
    config = model.heads["a"].config
    assert (config.layers, config.activation, config.pooling) == (2, "tanh", "cls")


def test_a_head_is_replaced_only_where_that_is_asked_for(model):
    model.add_classification_head("a")
    with pytest.raises(NameTakenError):
        model.add_tagging_head("a")
    model.add_tagging_head("a", overwrite_ok=True)
    assert model.heads["a"].kind == "tagging"


@pytest.mark.parametrize(
    "fields",
    [
        {"num_labels": 2, "id2label": {0: "bad"}},
        {"num_labels": 2, "id2label": {1: "bad", 2: "good"}},
        {"num_labels": 0},
        {"layers": 0},
        {"activation_function": "tanhh"},
    ],
)
def test_heads_that_make_no_sense_are_refused(model, fields):
    with pytest.raises(ConfigError):
        model.add_classification_head("a", **fields)
    assert "a" not in model.heads


def test_training_an_adapter_leaves_the_others_and_the_encoder_alone(model):
    model.add_classification_head("a")
    model.train_adapter("a")
    assert model.training
    assert all(weight.requires_grad for weight in model.adapters["a"].parameters())
    assert not any(weight.requires_grad for weight in model.adapters["b"].parameters())
    assert not any(weight.requires_grad for weight in model.encoder.parameters())
    assert all(weight.requires_grad for weight in model.heads["a"].parameters())
    out = model(input_ids=IDS, head="a", adapter_names="a", labels=torch.tensor([0, 1]))
    out.loss.backward()
    assert all(weight.grad is not None for weight in model.adapters["a"].parameters())


def test_training_an_unknown_adapter_is_refused_and_changes_nothing(model):
    with pytest.raises(UnknownAdapterError):
        model.train_adapter(["a", "c"])
    assert not model.training
    assert all(weight.requires_grad for weight in model.adapters["b"].parameters())


def test_nothing_is_active_for_the_model_as_a_whole(model):
    with pytest.raises(ConfigError, match=r"model\(\.\.\., adapter_names='a'\)"):
        model.set_active_adapters("a")
    with pytest.raises(ConfigError, match="no adapter is active"):
        model.active_adapters = "a"
    with pytest.raises(ConfigError, match=r"no head is active .* head='a'"):
        model.active_head = "a"
    assert model.active_adapters is None
    assert model.active_head is None


def test_a_prefix_is_made_flat_and_computes_the_same(make_model, shake):
    model = make_model()
    model.add_adapter("prefix", "prefix_tuning[prefix_length=3,bottleneck_size=8]")
    shake(model.adapters["prefix"])
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        before = model(ids, adapter_names="prefix", head=None).last_hidden_state
        model.eject_prefix_tuning("prefix")
        after = model(ids, adapter_names="prefix", head=None).last_hidden_state
    assert model.adapters["prefix"].config.flat
    torch.testing.assert_close(after, before, atol=1e-5, rtol=0)


def test_only_a_prefix_is_made_flat(make_model):
    model = make_model()
    model.add_adapter("plain", "seq_bn")
    with pytest.raises(ConfigError, match="'plain' is of kind 'bottleneck', and only a prefix"):
        model.eject_prefix_tuning("plain")
    with pytest.raises(UnknownAdapterError, match="no adapter 'other'"):
        model.eject_prefix_tuning("other")
