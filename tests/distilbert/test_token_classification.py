"""Token classification gives what transformers gives, at every place that is not masked."""

import pytest
import torch

from polyhead.distilbert import DistilBertForTokenClassification
from polyhead.errors import InputError

NAME = "DistilBertForTokenClassification"
LABELS = torch.randint(-1, 5, (3, 7), generator=torch.Generator().manual_seed(5))
LABELS[LABELS == -1] = -100


def test_logits_and_loss_equal_those_of_transformers(make_pair, batch, kept):
    theirs, ours = make_pair(NAME, num_labels=5)
    is_kept = kept(batch)
    labels = LABELS.where(is_kept, -100)
    with torch.no_grad():
        expected = theirs(**batch, labels=labels)
        found = ours(**batch, labels=labels)
    torch.testing.assert_close(found.logits[is_kept], expected.logits[is_kept], atol=1e-5, rtol=0)
    torch.testing.assert_close(found.loss, expected.loss, atol=1e-5, rtol=1e-5)
    assert found.logits.shape == (3, 7, 5)
    assert not found.logits[~is_kept].any()


def test_gradients_equal_those_of_transformers(make_pair, batch, kept):
    theirs, ours = make_pair(NAME, num_labels=5)
    for model in (theirs, ours):
        model(**batch, labels=LABELS.where(kept(batch), -100)).loss.backward()
    expected = theirs.classifier.weight.grad
    torch.testing.assert_close(ours.head.out.weight.grad, expected, atol=1e-5, rtol=1e-4)


def test_labels_of_masked_places_are_passed_over(make_pair, batch, kept):
    _, ours = make_pair(NAME, num_labels=5)
    only = ours(**batch, labels=LABELS.where(kept(batch), -100)).loss
    assert torch.equal(ours(**batch, labels=LABELS).loss, only)


def test_parts_of_the_encoder_equal_those_of_transformers(make_pair, batch, assert_same_parts):
    theirs, ours = make_pair(NAME)
    theirs.set_attn_implementation("eager")
    both = {"output_hidden_states": True, "output_attentions": True}
    with torch.no_grad():
        assert_same_parts(ours(**batch, **both), theirs(**batch, **both), batch)


def test_the_head_drops_out_as_the_encoder_does(make_pair):
    _, ours = make_pair(NAME, dropout=0.3)
    assert ours.head.config.dropout == 0.3
    assert ours.head.config.hidden == "last"


def test_any_labels_names_are_taken(make_theirs, tmp_path):
    names = {0: "B-PER", 1: "weather", 2: "O"}
    make_theirs(NAME, id2label=names, label2id={}).save_pretrained(tmp_path)
    ours = DistilBertForTokenClassification.from_pretrained(tmp_path)
    assert ours.config.id2label == names
    assert ours.head.config.labels == tuple(names.values())


@pytest.mark.parametrize(
    ("labels", "part"),
    [
        ([0, 1, 1], "labels must be a tensor, not list"),
        (LABELS[:, :6], "give one number a token"),
        (LABELS.float(), "must be whole numbers"),
        (torch.full((3, 7), 5), "the label 5 is neither -100 nor one of 0 to 4"),
    ],
    ids=["a list", "shape", "type", "range"],
)
def test_labels_that_do_not_fit_are_refused(make_pair, batch, labels, part):
    _, ours = make_pair(NAME, num_labels=5)
    with pytest.raises(InputError, match=part):
        ours(**batch, labels=labels)
