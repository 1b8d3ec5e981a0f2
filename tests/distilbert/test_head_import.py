"""A checkpoint's head joins a model whose encoder it was trained on, and no other."""

import pytest
import torch

from polyhead.distilbert import load_transformers_head
from polyhead.errors import BackboneMismatchError, CheckpointError, NameTakenError
from polyhead.model import DistilBertModelWithHeads

HEADS = {
    "DistilBertForSequenceClassification": "classification",
    "DistilBertForTokenClassification": "tagging",
    "DistilBertForQuestionAnswering": "question_answering",
    "DistilBertForMultipleChoice": "multiple_choice",
    "DistilBertForMaskedLM": "masked_lm",
}
IDS = torch.randint(1, 40, (2, 3, 7), generator=torch.Generator().manual_seed(8))


@pytest.fixture
def tuned(make_theirs, tmp_path):
    """Writes a checkpoint with a head, and its encoder alone."""

    def make(name, **fields):
        theirs = make_theirs(name, **fields)
        theirs.save_pretrained(tmp_path / "tuned")
        theirs.distilbert.save_pretrained(tmp_path / "base")
        return theirs, tmp_path / "tuned", tmp_path / "base"

    return make


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("is_told", [True, False], ids=["architecture", "weights alone"])
def test_the_head_answers_as_in_its_checkpoint(tuned, name, is_told):
    theirs, folder, base = tuned(name)
    if not is_told:
        config = (folder / "config.json").read_text()
        (folder / "config.json").write_text(config.replace(f'"{name}"', ""))
    model = DistilBertModelWithHeads.from_pretrained(base)
    added = load_transformers_head(model, folder)
    assert added == HEADS[name] == model.heads[added].kind
    ids = IDS if "MultipleChoice" in name else IDS[0]
    with torch.no_grad():
        expected = theirs(ids)
        found = model(ids)
    if name == "DistilBertForQuestionAnswering":
        start = found.outputs[added]["start"]
        torch.testing.assert_close(start, expected.start_logits, atol=1e-5, rtol=0)
    else:
        torch.testing.assert_close(found.logits, expected.logits, atol=1e-5, rtol=0)


def test_labels_keep_their_names(tuned):
    _, folder, base = tuned(
        "DistilBertForSequenceClassification", id2label={0: "NEGATIVE", 1: "POSITIVE"}
    )
    model = DistilBertModelWithHeads.from_pretrained(base)
    assert load_transformers_head(model, folder, name="sst2") == "sst2"
    assert model.heads["sst2"].config.labels == ("NEGATIVE", "POSITIVE")
    with pytest.raises(NameTakenError):
        load_transformers_head(model, folder, name="sst2")


def test_a_head_with_a_tuned_encoder_is_refused_with_the_reason(tuned, rewrite):
    _, folder, base = tuned("DistilBertForSequenceClassification")
    rewrite(folder, lambda w: w["distilbert.transformer.layer.1.ffn.lin1.bias"].add_(1e-4))
    model = DistilBertModelWithHeads.from_pretrained(base)
    with pytest.raises(BackboneMismatchError) as caught:
        load_transformers_head(model, folder)
    message = str(caught.value)
    assert "1 of its 28 weights differ, such as layers.1.lin1.bias" in message
    assert "load the checkpoint as a whole" in message
    assert "\n" not in message
    assert not model.heads


def test_a_head_of_another_shape_is_refused(tuned, make_model):
    _, folder, _ = tuned("DistilBertForSequenceClassification")
    with pytest.raises(BackboneMismatchError, match="has an encoder of 2 layers of width 32"):
        load_transformers_head(make_model(), folder)


def test_a_head_of_other_constants_is_refused(tuned):
    _, folder, base = tuned("DistilBertForSequenceClassification")
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config.replace('"n_heads": 4', '"n_heads": 2'))
    model = DistilBertModelWithHeads.from_pretrained(base)
    with pytest.raises(BackboneMismatchError, match="layers of width 32"):
        load_transformers_head(model, folder)


def test_a_checkpoint_without_head_is_refused(tuned):
    _, _, base = tuned("DistilBertForSequenceClassification")
    model = DistilBertModelWithHeads.from_pretrained(base)
    with pytest.raises(CheckpointError, match="holds no head: it was written by DistilBertModel"):
        load_transformers_head(model, base)


def test_a_head_without_all_its_weights_is_refused(tuned, rewrite):
    _, folder, base = tuned("DistilBertForSequenceClassification")
    rewrite(folder, lambda weights: weights.pop("classifier.bias"))
    model = DistilBertModelWithHeads.from_pretrained(base)
    with pytest.raises(CheckpointError, match=r"lacks weights of its head: classifier.bias"):
        load_transformers_head(model, folder)
    assert not model.heads
