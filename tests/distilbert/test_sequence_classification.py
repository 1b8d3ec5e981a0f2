"""Sequence classification gives what transformers gives, for each kind of problem."""

import pytest
import torch

from polyhead.distilbert import DistilBertForSequenceClassification
from polyhead.encoder import DistilBertConfig
from polyhead.errors import ConfigError, InputError

NAME = "DistilBertForSequenceClassification"
WHOLE = torch.tensor([2, 0, 1])
MANY = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
NUMBERS = torch.tensor([0.5, -1.0, 3.0])

PROBLEMS = {
    "one of several": ({"num_labels": 3}, WHOLE),
    "one of several, told": (
        {"num_labels": 3, "problem_type": "single_label_classification"},
        WHOLE,
    ),
    "any number": ({"num_labels": 3}, MANY),
    "any number, told": ({"num_labels": 3, "problem_type": "multi_label_classification"}, MANY),
    "a number": ({"num_labels": 1}, NUMBERS),
    "a number in a column": ({"num_labels": 1}, NUMBERS[:, None]),
    "several numbers": ({"num_labels": 3, "problem_type": "regression"}, MANY - 0.3),
}


@pytest.mark.parametrize(("fields", "labels"), PROBLEMS.values(), ids=PROBLEMS)
def test_logits_and_loss_equal_those_of_transformers(make_pair, batch, fields, labels):
    theirs, ours = make_pair(NAME, **fields)
    with torch.no_grad():
        expected = theirs(**batch, labels=labels)
        found = ours(**batch, labels=labels)
    torch.testing.assert_close(found.logits, expected.logits, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.loss, expected.loss, atol=1e-5, rtol=1e-5)
    assert ours.config.problem_type == theirs.config.problem_type


@pytest.mark.parametrize(("fields", "labels"), PROBLEMS.values(), ids=PROBLEMS)
def test_gradients_equal_those_of_transformers(make_pair, batch, fields, labels):
    theirs, ours = make_pair(NAME, **fields)
    for model in (theirs, ours):
        model(**batch, labels=labels).loss.backward()
    head = dict(ours.head.named_parameters())
    for mine, other in ours.head_names.items():
        expected = theirs.get_parameter(other).grad
        torch.testing.assert_close(head[mine].grad, expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        ours.get_input_embeddings().weight.grad,
        theirs.get_input_embeddings().weight.grad,
        atol=1e-4,
        rtol=1e-4,
    )


def test_parts_of_the_encoder_equal_those_of_transformers(make_pair, batch, assert_same_parts):
    theirs, ours = make_pair(NAME)
    theirs.set_attn_implementation("eager")
    both = {"output_hidden_states": True, "output_attentions": True}
    with torch.no_grad():
        assert_same_parts(ours(**batch, **both), theirs(**batch, **both), batch)


def test_training_drops_out_in_front_of_the_last_layer_alone(make_pair, batch):
    """With nearly all dropped in front of the last layer, its bias is nearly all that is left."""
    _, ours = make_pair(
        NAME, num_labels=3, seq_classif_dropout=0.999999, dropout=0.0, attention_dropout=0.0
    )
    torch.manual_seed(0)
    in_training = ours.train()(**batch).logits
    torch.testing.assert_close(in_training, ours.head.out.bias.expand(3, 3))
    _, ours = make_pair(NAME, seq_classif_dropout=0.0, dropout=0.0, attention_dropout=0.0)
    assert torch.equal(ours.train()(**batch).logits, ours.eval()(**batch).logits)


def test_values_are_found_by_name_and_by_place(make_pair, batch):
    _, ours = make_pair(NAME, num_labels=3)
    found = ours(**batch, labels=WHOLE)
    loss, logits = found[:2]
    assert loss is found.loss is found["loss"] is found[0]
    assert logits is found.logits
    assert found.keys() == ["loss", "logits"]
    assert ours(**batch)[0].shape == (3, 3)
    plain = ours(**batch, labels=WHOLE, return_dict=False)
    assert isinstance(plain, tuple)
    assert torch.equal(plain[0], loss)


def test_the_kind_told_by_labels_stays_and_is_saved(make_pair, batch, tmp_path):
    _, ours = make_pair(NAME, num_labels=3)
    weights = list(ours.head.parameters())
    ours.head.out.bias.requires_grad_(requires_grad=False)
    ours(**batch, labels=MANY)
    assert ours.head.kind == "multilabel"
    for held, now in zip(weights, ours.head.parameters(), strict=True):
        assert held is now  # an optimiser holds on to them
    assert not ours.head.out.bias.requires_grad
    with pytest.raises(InputError, match="give 0 or 1 for each row and each of the 3 labels"):
        ours(**batch, labels=WHOLE)
    ours.save_pretrained(tmp_path / "saved")
    again = DistilBertForSequenceClassification.from_pretrained(tmp_path / "saved")
    assert again.config.problem_type == "multi_label_classification"
    assert torch.equal(again(**batch, labels=MANY).loss, ours(**batch, labels=MANY).loss)


def test_labels_have_the_configurations_names(sizes):
    config = DistilBertConfig(**sizes, id2label={0: "no", 1: "yes"})
    assert DistilBertForSequenceClassification(config).head.config.labels == ("no", "yes")
    twice = DistilBertConfig(**sizes, id2label={0: "same", 1: "same"})
    head = DistilBertForSequenceClassification(twice).head
    assert head.config.labels == ("LABEL_0", "LABEL_1")


def test_adapters_are_chosen_per_row(make_pair, batch, shake):
    _, ours = make_pair(NAME)
    ours.add_adapter("a")
    shake(ours.adapters["a"])
    mixed = ours(**batch, adapter_names=[None, "a", None]).logits
    torch.testing.assert_close(mixed[1], ours(**batch, adapter_names="a").logits[1])
    torch.testing.assert_close(mixed[0], ours(**batch).logits[0])
    assert not torch.allclose(mixed[1], ours(**batch).logits[1], atol=1e-3)


@pytest.mark.parametrize(
    ("labels", "part"),
    [
        ([0, 1, 1], "labels must be a tensor, not list"),
        (torch.tensor([0, 1]), "do not fit a batch of 3 rows"),
        (torch.tensor([0, 1, 3]), "the label 3 is not one of 0 to 2"),
        (torch.tensor([[0], [1], [2]]), "give one number a row"),
        (torch.tensor([0.5, float("nan"), 1.0]), "do not fit; give 0 or 1 for each row"),
    ],
    ids=["a list", "rows", "range", "shape", "type"],
)
def test_labels_that_do_not_fit_are_refused(make_pair, batch, labels, part):
    _, ours = make_pair(NAME, num_labels=3)
    with pytest.raises(InputError, match=part):
        ours(**batch, labels=labels)


def test_labels_that_are_refused_decide_nothing(make_pair, batch):
    _, model = make_pair("DistilBertForSequenceClassification")
    weights = list(model.head.parameters())
    with pytest.raises(InputError, match="give 0 or 1 for each row"):
        model(**batch, labels=torch.tensor([0.0, 1.0, 1.0]))
    assert model.config.problem_type is None
    assert model.head.kind == "classification"
    assert all(weight.requires_grad for weight in weights)
    assert torch.isfinite(model(**batch, labels=torch.tensor([0, 1, 1])).loss)
    assert model.config.problem_type == "single_label_classification"
    found = zip(model.head.parameters(), weights, strict=True)
    assert all(weight is known for weight, known in found)


def test_numbers_that_are_none_are_refused(make_pair, batch):
    _, ours = make_pair(NAME, num_labels=1)
    with pytest.raises(InputError, match="the label of row 2 is not a finite number"):
        ours(**batch, labels=torch.tensor([0.5, float("nan"), 1.0]))


def test_one_label_is_not_one_of_several(sizes):
    config = DistilBertConfig(**sizes, num_labels=1, problem_type="single_label_classification")
    with pytest.raises(ConfigError, match="labels"):
        DistilBertForSequenceClassification(config)
