"""Checkpoints of transformers: heads in, and merged models out, with equal logits."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from polyhead.convert import AdapterPart, Bundle, HeadPart
from polyhead.convert.transformers import TRANSFORMERS
from polyhead.errors import ArtifactError, BackboneMismatchError, CheckpointError, ConversionError
from polyhead.heads import (
    ClassificationHeadConfig,
    MaskedLMHeadConfig,
    MultilabelHeadConfig,
    QuestionAnsweringHeadConfig,
    RegressionHeadConfig,
    TaggingHeadConfig,
)
from polyhead.model import DistilBertModelWithHeads

transformers = pytest.importorskip("transformers")

POOLED = {"layers": 2, "activation": "relu", "pooling": "cls"}
LABELS = ("blue", "green", "red")
HEADS = {
    "classification": ClassificationHeadConfig(labels=LABELS, **POOLED),
    "multilabel": MultilabelHeadConfig(labels=LABELS, **POOLED),
    "regression": RegressionHeadConfig(
        outputs=("a", "b"), target_mean=(2.0, -1.0), target_scale=(3.0, 0.5), **POOLED
    ),
    "tagging": TaggingHeadConfig(labels=LABELS, hidden="last", layers=1, context=0),
    "question_answering": QuestionAnsweringHeadConfig(hidden="last"),
    "masked_lm": MaskedLMHeadConfig(),
}
CLASSES = {
    "tagging": "DistilBertForTokenClassification",
    "question_answering": "DistilBertForQuestionAnswering",
    "masked_lm": "DistilBertForMaskedLM",
}
IDS = torch.tensor([[2, 7, 9, 11, 3], [2, 8, 3, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


@pytest.fixture
def bundle_of(tiny_model, shake):
    """An adapter "mine" and a head "mine" of those configs; None for none."""

    def make(adapter, head):
        adapters, heads = (), ()
        if adapter is not None:
            tiny_model.add_adapter("mine", adapter)
            part = shake(tiny_model.adapters["mine"])
            adapters = (AdapterPart("mine", part.config, part.state_dict()),)
        if head is not None:
            own = "mine" if adapters else None
            tiny_model.add_head("mine", head, adapter=own)
            part = shake(tiny_model.heads["mine"])
            heads = (HeadPart("mine", head, part.state_dict(), own),)
        return Bundle(adapters, heads)

    return make


@pytest.fixture
def save(tiny_model, tmp_path):
    def write(bundle, weights=None):
        folder = tmp_path / "checkpoint"
        folder.mkdir()
        for name, content in TRANSFORMERS.write(bundle, tiny_model, weights).items():
            (folder / name).write_bytes(content)
        return folder

    return write


def loaded(folder, class_name):
    return getattr(transformers, class_name).from_pretrained(folder).eval()


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("adapter", ["lora[modules=(q,k,v,out,lin1,lin2)]", "ia3"])
def test_transformers_computes_the_logits_of_adapter_and_head(
    tiny_model, bundle_of, save, kind, adapter
):
    fingerprint = tiny_model.encoder.fingerprint()
    folder = save(bundle_of(adapter, HEADS[kind]))
    theirs = loaded(folder, CLASSES.get(kind, "DistilBertForSequenceClassification"))
    with torch.no_grad():
        expected = theirs(input_ids=IDS, attention_mask=MASK)
        found = tiny_model(input_ids=IDS, attention_mask=MASK)
        if kind == "question_answering":
            for side in ("start", "end"):
                pair = (found.outputs["mine"][side], expected[f"{side}_logits"])
                torch.testing.assert_close(
                    *(each[MASK.bool()] for each in pair), atol=1e-5, rtol=1e-5
                )
        else:
            by_token = found.logits.shape[:2] == MASK.shape
            pair = (found.logits, expected.logits)
            pair = [each[MASK.bool()] if by_token else each for each in pair]
            torch.testing.assert_close(*pair, atol=1e-5, rtol=1e-5)
    assert tiny_model.encoder.fingerprint() == fingerprint


def test_labels_and_what_is_learned_are_written(bundle_of, save):
    folder = save(bundle_of("lora", HEADS["multilabel"]))
    config = transformers.AutoConfig.from_pretrained(folder)
    assert config.id2label == dict(enumerate(LABELS))
    assert config.problem_type == "multi_label_classification"
    assert config.architectures == ["DistilBertForSequenceClassification"]


def test_an_adapter_without_head_becomes_a_bare_encoder(tiny_model, bundle_of, save):
    theirs = loaded(save(bundle_of("dora", None)), "DistilBertModel")
    with torch.no_grad():
        expected = theirs(input_ids=IDS, attention_mask=MASK).last_hidden_state
        found = tiny_model(input_ids=IDS, attention_mask=MASK, adapter_names="mine", head=None)
    torch.testing.assert_close(
        found.last_hidden_state[MASK.bool()], expected[MASK.bool()], atol=1e-5, rtol=1e-5
    )


def test_the_tokenizer_is_written_too(tiny_model, bundle_of, save):
    tokenizer = transformers.AutoTokenizer.from_pretrained(save(bundle_of("lora", None)))
    assert tokenizer("the cat sat")["input_ids"] == list(
        tiny_model.tokenizer.rows(["the cat sat"])[0].ids
    )
    assert tokenizer.pad_token_id == tiny_model.tokenizer.pad_id


@pytest.mark.parametrize("weights", ["safetensors", "bin"])
@pytest.mark.parametrize("kind", HEADS)
def test_a_head_of_the_bare_encoder_comes_back(tiny_model, bundle_of, save, kind, weights):
    bundle = bundle_of(None, HEADS[kind])
    folder = save(bundle, weights)
    assert TRANSFORMERS.recognises(folder)
    (head,) = TRANSFORMERS.read(folder, tiny_model, "again").heads
    assert (head.name, head.adapter) == ("again", None)
    if kind != "regression":  # its mean and scale have become part of the last layer
        for name, tensor in head.tensors.items():
            assert torch.equal(tensor, bundle.heads[0].tensors[name]), name
    if "labels" in type(head.config).model_fields:
        assert head.config.labels == LABELS


def test_a_checkpoint_that_fine_tuning_changed_is_refused(tiny_model, bundle_of, save):
    folder = save(bundle_of("lora", HEADS["classification"]))
    with pytest.raises(BackboneMismatchError, match="Fine-tuning"):
        TRANSFORMERS.read(folder, tiny_model, "again")


def test_a_checkpoint_without_head_is_refused(tiny_model, bundle_of, save):
    with pytest.raises(CheckpointError, match="no head"):
        TRANSFORMERS.read(save(Bundle()), tiny_model, "again")


def test_a_matrix_of_words_of_its_own_is_refused(tiny_model, bundle_of, save):
    folder = save(bundle_of(None, HEADS["masked_lm"]))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": False}))
    weights = load_file(folder / "model.safetensors")
    size = tiny_model.encoder.word_embeddings.weight.shape
    save_file(
        {**weights, "vocab_projector.weight": torch.zeros(size)}, folder / "model.safetensors"
    )
    with pytest.raises(CheckpointError, match="of its own"):
        TRANSFORMERS.read(folder, tiny_model, "again")


def test_a_hostile_pickle_is_refused_before_it_is_opened(tiny_model, bundle_of, save):
    folder = save(bundle_of(None, HEADS["classification"]), "bin")
    (folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'echo no'\ntR.")
    with pytest.raises(ArtifactError, match=r"pytorch_model\.bin"):
        TRANSFORMERS.read(folder, tiny_model, "again")


@pytest.mark.parametrize("adapter", ["seq_bn", "prefix_tuning", "lora[use_gating=true]", "loreft"])
def test_an_adapter_that_is_no_linear_layer_is_refused(tiny_model, bundle_of, adapter):
    bundle = bundle_of(adapter, HEADS["classification"])
    with pytest.raises(ConversionError, match="'mine'"):
        TRANSFORMERS.write(bundle, tiny_model, None)


def test_a_head_goes_with_its_own_adapter_alone(tiny_model, bundle_of):
    bundle = bundle_of("lora", HEADS["classification"])
    with pytest.raises(ConversionError, match="'mine'"):
        TRANSFORMERS.write(Bundle((), bundle.heads), tiny_model, None)
    with pytest.raises(ConversionError, match="2 heads"):
        TRANSFORMERS.write(Bundle(bundle.adapters, bundle.heads * 2), tiny_model, None)


def test_the_checkpoint_is_a_backbone_of_its_own(bundle_of, save):
    folder = save(bundle_of("lora", HEADS["classification"]))
    assert DistilBertModelWithHeads.from_pretrained(folder).tokenizer is not None


def test_other_folders_are_not_recognised(tmp_path):
    assert not TRANSFORMERS.recognises(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert not TRANSFORMERS.recognises(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    assert not TRANSFORMERS.recognises(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "distilbert"}')
    assert TRANSFORMERS.recognises(tmp_path)
    (tmp_path / "adapter_config.json").write_text("{}")
    assert not TRANSFORMERS.recognises(tmp_path)
