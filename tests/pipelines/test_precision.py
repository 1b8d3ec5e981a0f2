"""`pipeline(..., precision=...)`: products in fewer bits, for tasks and checkpoints."""

import pytest
import torch

import polyhead
from polyhead.encoder import precision
from polyhead.errors import ConfigError

TEXTS = ["the cat is good", "a bad day"]


@pytest.fixture(autouse=True)
def processor(monkeypatch):
    """One that multiplies bfloat16, whichever this one is."""
    monkeypatch.setattr(precision, "has_bfloat16_products", lambda: True)


@pytest.fixture
def task(make_model, two_labels, tmp_path, monkeypatch):
    """A saved task, and a tiny encoder in place of every other."""

    def tiny(cls, name, *, precision="float32", **options):
        model = make_model()
        model.encoder.reduce(precision)
        return model

    monkeypatch.setattr(polyhead.DistilBertModelWithHeads, "from_pretrained", classmethod(tiny))
    model = make_model()
    model.add_task("mood", head=two_labels, adapter="seq_bn[reduction_factor=4]")
    model.save_task("mood", tmp_path / "mood")
    return tmp_path / "mood"


def asked(**options):
    return polyhead.pipeline(**{"task": "text-classification", "device": "cpu", **options})


def scores(pipe):
    return [answer["score"] for answer in pipe(TEXTS)]


@pytest.mark.parametrize("name", ["int8", "bfloat16"])
def test_a_checkpoint_is_asked_in_a_precision(make_checkpoint, name):
    folder = make_checkpoint("DistilBertForSequenceClassification")
    exact, found = asked(model=folder), asked(model=folder, precision=name)
    assert found.model.base_model.encoder.precision == name
    assert scores(found) == pytest.approx(scores(exact), abs=0.1)
    assert scores(found) != scores(exact)


@pytest.mark.parametrize("name", ["int8", "bfloat16"])
def test_a_task_is_asked_in_a_precision(task, name):
    exact, found = asked(model=task), asked(model=task, precision=name)
    assert found.model.precision == name
    assert scores(found) == pytest.approx(scores(exact), abs=0.1)
    assert scores(found) != scores(exact)


def test_float32_is_what_it_is_without(task, make_checkpoint):
    for model in (task, make_checkpoint("DistilBertForSequenceClassification")):
        assert scores(asked(model=model, precision="float32")) == scores(asked(model=model))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"precision": "int3"}, "there is no precision 'int3'"),
        ({"precision": "float16"}, "precision 'float16' is for GPUs"),
        ({"precision": "int8", "dtype": "float32"}, "dtype and precision are both given"),
        ({"precision": "float32", "torch_dtype": torch.float32}, "dtype and precision are both"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(task, make_checkpoint, options, sentence):
    for model in (task, make_checkpoint("DistilBertForSequenceClassification")):
        with pytest.raises(ConfigError, match=sentence):
            asked(model=model, **options)


def test_on_a_gpu_a_precision_is_the_type_of_the_weights(monkeypatch, make_checkpoint):
    folder = make_checkpoint("DistilBertForSequenceClassification")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ConfigError, match="precision 'int8' is for CPUs"):
        asked(model=folder, device="cuda", precision="int8")
    loaded = []

    def refuse(cls, name, **options):
        loaded.append(options)
        raise ConfigError

    monkeypatch.setattr(
        polyhead.DistilBertForSequenceClassification, "from_pretrained", classmethod(refuse)
    )
    with pytest.raises(ConfigError):
        asked(model=folder, device="cuda", precision="float16")
    assert loaded[0]["dtype"] == "float16"
    assert loaded[0]["device_map"] == torch.device("cuda")


def test_a_model_that_is_there_keeps_its_own(make_model, two_labels):
    model = make_model()
    model.add_task("mood", head=two_labels)
    with pytest.raises(ConfigError, match="precision is for a model that is loaded here"):
        asked(model=model, precision="int8")
